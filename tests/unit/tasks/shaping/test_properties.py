"""What holds of rules whatever the table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.tasks.desk import Desk

STEPS = """
def doubled(row):
    if row["n"] is None:
        return None
    return [{"row": row["row"], "text": row["text"], "n": row["n"] * 2}] * (1 + (row["n"] > 0))
"""
TYPES = {"row": pl.Int64, "n": pl.Int64, "text": pl.String}
ROW_WISE: dict[str, dict[str, Any]] = {
    "filter": {"where": "n > 0 OR text IS NULL OR text IN ('a', 'b')"},
    "map": {"function": "property_steps.py:doubled", "columns": {"row": "Int64", "text": "String", "n": "Int64"}},
    "rename": {"columns": {"n": "number"}},
    "select": {"columns": ["text", "row"]},
}

cells = st.tuples(st.none() | st.integers(-2, 2), st.none() | st.sampled_from(["a", "b", "", "ä"]))
seeds = st.integers(-(2**53) + 1, 2**53 - 1)
some = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk in the working directory, which outlives an example."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "property_steps.py").write_text(STEPS)
    with contextlib.chdir(folder):
        yield Desk(folder)


def frame_of(rows: list[tuple[int | None, str | None]]) -> pl.DataFrame:
    return pl.DataFrame([(number, *row) for number, row in enumerate(rows)], schema=TYPES, orient="row")


def made(desk: Desk, rule: str, table: pl.DataFrame, /, **params: Any) -> pl.DataFrame:
    return desk.run(rule, {"table": desk.table(table)}, **params)["table"]


@pytest.mark.parametrize("rule", ROW_WISE)
@some
@given(table=st.lists(cells, min_size=1, max_size=8).map(frame_of), chosen=st.lists(st.integers(0, 7), max_size=12))
def test_permutations_duplicates_and_concatenation_commute_with_a_row_wise_rule(
    rule: str, workshop: Desk, table: pl.DataFrame, chosen: list[int]
) -> None:
    rows = [number % table.height for number in chosen]
    once = made(workshop, rule, table, **ROW_WISE[rule])
    expected = pl.concat([once.clear(), *(once.filter(pl.col("row") == row) for row in rows)])
    assert made(workshop, rule, table[rows], **ROW_WISE[rule]).equals(expected)


@some
@given(table=st.lists(cells, max_size=9).map(frame_of), pieces=st.integers(1, 12))
def test_the_pieces_of_a_table_gathered_are_the_table(workshop: Desk, table: pl.DataFrame, pieces: int) -> None:
    path = workshop.table(table)
    parts = []
    for number in range(1, pieces + 1):
        part = workshop.run("shard", {"table": path}, shard=f"{number}-of-{pieces}")["table"]
        parts.append(workshop.table(part, f"piece{number}.parquet"))
        assert abs(part.height - table.height / pieces) < 1
    assert workshop.run("gather", {"table": parts})["table"].equals(table)


@some
@given(table=st.lists(cells, max_size=9).map(frame_of), seed=seeds)
def test_a_shuffle_keeps_all_rows_and_is_the_same_every_time(workshop: Desk, table: pl.DataFrame, seed: int) -> None:
    shuffled = made(workshop, "shuffle", table, seed=seed)
    assert shuffled.sort("row").equals(table)
    assert made(workshop, "shuffle", table, seed=seed).equals(shuffled)


@some
@given(rows=st.integers(0, 40), seed=seeds, less=st.integers(0, 40), more=st.integers(0, 40))
def test_a_larger_sample_holds_the_smaller_one_in_order(
    workshop: Desk, rows: int, seed: int, less: int, more: int
) -> None:
    table = pl.DataFrame({"row": range(rows)}, schema={"row": pl.Int64})
    small, large = sorted((min(less, rows), min(more, rows)))
    few = made(workshop, "sample", table, n=small, seed=seed)["row"].to_list()
    many = made(workshop, "sample", table, n=large, seed=seed)["row"].to_list()
    assert few == [row for row in many if row in set(few)]
    assert (len(few), len(many), sorted(many)) == (small, large, many)


@some
@given(
    table=st.lists(cells, max_size=12).map(frame_of),
    by=st.lists(st.sampled_from(["n", "text"]), min_size=1, unique=True),
    down=st.booleans(),
    last=st.booleans(),
)
def test_a_sort_is_stable_and_puts_nulls_where_it_is_told(
    workshop: Desk, table: pl.DataFrame, by: list[str], down: bool, last: bool
) -> None:
    rows = table.rows(named=True)
    for name in reversed(by):
        column = itemgetter(name)
        nulls = [row for row in rows if column(row) is None]
        values = sorted((row for row in rows if column(row) is not None), key=column, reverse=down)
        rows = values + nulls if last else nulls + values
    params = {"by": by, "descending": down, "nulls": "last" if last else "first"}
    assert made(workshop, "sort", table, **params)["row"].to_list() == [row["row"] for row in rows]


@some
@given(
    groups=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=4, max_size=40),
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=3),
    seed=st.none() | st.integers(0, 9),
)
def test_every_part_of_a_stratified_split_has_its_share_of_each_group(
    workshop: Desk, groups: list[str | None], weights: list[int], seed: int | None
) -> None:
    parts = ("train", "validation", "test")[: len(weights)]
    shares = {part: weight / sum(weights) for part, weight in zip(parts, weights, strict=True)}
    if min(shares.values()) * len(groups) < 1:
        return
    table = workshop.table({"row": range(len(groups)), "group": pl.Series(groups, dtype=pl.String)})
    split = workshop.run("split", {"table": table}, parts, seed=seed, stratify_by="group", **shares)
    assert sorted(row for part in split.values() for row in part["row"]) == list(range(len(groups)))
    for part, share in shares.items():
        for group in set(groups):
            have = split[part]["group"].to_list().count(group)
            assert abs(have - share * groups.count(group)) <= 2
        if seed is None:
            assert split[part]["row"].is_sorted()


@some
@given(table=st.lists(cells, max_size=12).map(frame_of), named=st.sampled_from([[], ["n"], ["text"], ["n", "text"]]))
def test_what_is_left_of_duplicates_is_the_first_of_each(workshop: Desk, table: pl.DataFrame, named: list[str]) -> None:
    keys = table.select(named or ["row", "n", "text"]).rows()
    first = [keys.index(key) for key in keys]
    assert made(workshop, "deduplicate", table, columns=named)["row"].to_list() == sorted(set(first))
    marked = made(workshop, "deduplicate", table, columns=named, mark="duplicate_of")
    assert marked["duplicate_of"].to_list() == [None if row == at else row for at, row in enumerate(first)]
