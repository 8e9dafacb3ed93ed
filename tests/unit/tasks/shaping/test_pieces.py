"""Tables put together, taken apart and put in order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tasks.shaping.permutation import STRETCH_BYTES, draws, ranks, write_ranked
from tests.unit.tasks.desk import Desk

FIRST = {"id": [1, 2], "text": ["a", "b"]}


def both(desk: Desk, rule: str, other: Mapping[str, Any], /, **params: Any) -> pl.DataFrame:
    tables = [desk.table(FIRST), desk.table(other, "other.parquet")]
    return desk.run(rule, {"table": tables}, **params)["table"]


def one(desk: Desk, rule: str, rows: int, /, **params: Any) -> list[int]:
    table = desk.table({"row": pl.Series(range(rows), dtype=pl.Int64)})
    return desk.run(rule, {"table": table}, **params)["table"]["row"].to_list()


@pytest.mark.parametrize("rule", ["concat", "gather"])
def test_rows_come_in_the_order_of_the_tables_whatever_that_of_their_columns(desk: Desk, rule: str) -> None:
    made = both(desk, rule, {"text": ["c"], "id": [3]})
    assert made.rows() == [(1, "a"), (2, "b"), (3, "c")]
    assert made.columns == ["id", "text"]


def test_a_missing_column_is_null_where_that_is_asked_for(desk: Desk) -> None:
    made = both(desk, "concat", {"id": [3], "more": [True]}, missing="null")
    assert made.rows() == [(1, "a", None), (2, "b", None), (3, None, True)]


def test_types_are_widened_where_that_is_asked_for(desk: Desk) -> None:
    made = both(desk, "concat", {"id": [3.5], "text": [None]}, types="widen")
    assert made.schema == {"id": pl.Float64, "text": pl.String}
    assert made["id"].to_list() == [1.0, 2.0, 3.5]
    made = both(desk, "concat", {"id": [3.5], "more": [1]}, types="widen", missing="null")
    assert made.columns == ["id", "text", "more"]


@pytest.mark.parametrize("rule", ["concat", "gather"])
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"id": [3]}, ["no column 'text'", "other.parquet"]),
        ({**FIRST, "more": [1, 2]}, ["first table has no column 'more'", "other.parquet"]),
        ({"id": [3.5], "text": ["c"]}, ["column 'id' is of type Float64", "Int64", "other.parquet"]),
        ({"id": [None], "text": ["c"]}, ["column 'id' is of type Null"]),
    ],
)
def test_tables_that_are_not_alike_are_an_error(desk: Desk, rule: str, other: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(TableError) as caught:
        both(desk, rule, other)
    assert all(part in str(caught.value) for part in said)


def test_types_that_nothing_holds_are_an_error(desk: Desk) -> None:
    with pytest.raises(TableError) as caught:
        both(desk, "concat", {"id": [[1]], "text": ["c"]}, types="widen")
    assert all(part in str(caught.value) for part in ("'id'", "List(Int64)", "no type holds both", "other.parquet"))


@pytest.mark.parametrize(
    ("second", "third", "said"),
    [
        ({"b": [1]}, {"b": [True]}, ["column 'b' is of type Boolean", "second.parquet of type Int64", "third.parquet"]),
        ({"b": [[1]]}, {"b": ["x"]}, ["column 'b' is of type String", "List(Int64)", "no type holds both"]),
        ({"id": [date(2020, 1, 1)]}, {}, ["'id' is of type Date", "no type holds both", "second.parquet"]),
        ({"id": [0.5]}, {"id": [2**53 + 1]}, ["9007199254740993", "'id'", "third.parquet, row 0 (from 0)"]),
    ],
)
def test_what_does_not_go_together_is_told_by_the_tables_that_have_it(
    desk: Desk, second: dict[str, Any], third: dict[str, Any], said: list[str]
) -> None:
    tables = [desk.table(FIRST), desk.table(second, "second.parquet"), desk.table(third, "third.parquet")]
    widens = "same" if third == {"b": [True]} else "widen"
    with pytest.raises(TableError) as caught:
        desk.run("concat", {"table": tables}, missing="null", types=widens)
    assert all(part in str(caught.value) for part in said)


def test_tables_stand_side_by_side(desk: Desk) -> None:
    assert both(desk, "zip", {"score": [0.5, None]}).rows() == [(1, "a", 0.5), (2, "b", None)]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"score": [1]}, ["has 1 rows, and the first one 2", "join"]),
        ({"text": ["x", "y"]}, ["the column 'text' is in", "table.parquet", "rename"]),
    ],
)
def test_tables_that_do_not_fit_side_by_side_are_an_error(desk: Desk, other: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(TableError) as caught:
        both(desk, "zip", other)
    assert all(part in str(caught.value) for part in said)


def test_pieces_are_stretches_of_about_the_same_size(desk: Desk) -> None:
    assert [one(desk, "shard", 7, shard=f"{n}-of-3") for n in (1, 2, 3)] == [[0, 1], [2, 3], [4, 5, 6]]
    assert [one(desk, "shard", 1, shard=f"{n}-of-2") for n in (1, 2)] == [[], [0]]


def test_rows_are_taken_and_skipped(desk: Desk) -> None:
    assert (one(desk, "take", 3, n=2), one(desk, "take", 3, n=9), one(desk, "take", 3, n=0)) == ([0, 1], [0, 1, 2], [])
    assert (one(desk, "skip", 3, n=2), one(desk, "skip", 3, n=9), one(desk, "skip", 3, n=0)) == ([2], [], [0, 1, 2])


def test_a_fraction_is_rounded_to_rows(desk: Desk) -> None:
    assert len(one(desk, "sample", 10, fraction=0.25, seed=1)) == 2
    assert len(one(desk, "sample", 10, fraction=1, seed=1)) == 10
    assert one(desk, "sample", 10, fraction=0, seed=1) == []


@pytest.mark.parametrize(
    ("rule", "params", "said"),
    [
        ("shard", {"shard": "4-of-3"}, "'4-of-3' is no piece"),
        ("shard", {"shard": "0-of-3"}, "'0-of-3' is no piece"),
        ("shard", {"shard": "1/3"}, "'1/3' is no piece"),
        ("sample", {"seed": 1}, "either n or fraction"),
        ("sample", {"seed": 1, "n": 1, "fraction": 0.5}, "either n or fraction"),
        ("sample", {"seed": 1, "n": 4}, "4 rows are to be drawn, and the table has 3"),
        ("take", {"n": -1}, "params.n"),
        ("shuffle", {}, "seed"),
        ("sort", {"by": ["row"], "descending": [True, False]}, "1 columns to sort by, and 2 directions"),
    ],
)
def test_a_wrong_number_is_said(desk: Desk, rule: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        one(desk, rule, 3, **params)


def test_each_column_has_a_direction(desk: Desk) -> None:
    table = desk.table({"a": [1, 2, 1, None], "b": [1, 1, 2, 3]})
    made = desk.run("sort", {"table": table}, by=["a", "b"], descending=[False, True])["table"]
    assert made.rows() == [(1, 2), (1, 1), (2, 1), (None, 3)]


def test_a_sort_by_a_column_that_is_not_there_is_an_error(desk: Desk) -> None:
    with pytest.raises(TableError, match="no column 'b'"):
        desk.run("sort", {"table": desk.table({"a": [1]})}, by=["b"])


def splitmix64(state: int, count: int) -> list[int]:
    """The generator as it was published, in plain whole numbers."""
    made = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        made.append(z ^ (z >> 31))
    return made


def test_the_draws_are_those_of_splitmix64() -> None:
    assert splitmix64(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    for seed in (0, 7, -1, 2**53 - 1):
        (start,) = splitmix64(seed, 1)
        assert draws(seed, 5).tolist() == splitmix64(start, 5)


def test_a_table_larger_than_memory_goes_to_its_places_by_way_of_files(desk: Desk) -> None:
    rows = 5000
    table = pl.DataFrame({"row": range(rows), "text": ["x" * (row % 50) for row in range(rows)]})
    path, target = desk.table(table), Path(desk.folder / "folder/placed.parquet")
    ranked = ranks(3, rows)
    ranked[ranked >= 4000] = -1
    for stretch_bytes in (STRETCH_BYTES, 20_000):
        assert write_ranked(path, ranked, range(4000), target, stretch_bytes=stretch_bytes) == 4000
        placed = pl.read_parquet(target)
        assert placed["row"].to_list() == [row for _, row in sorted((r, i) for i, r in enumerate(ranked) if r >= 0)]
        assert placed.schema == table.schema
        assert [path.name for path in target.parent.iterdir()] == [target.name]
