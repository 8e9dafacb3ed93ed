"""Two tables brought together."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsmk.errors import DreamsmkError, SettingsError, TableError
from tests.unit.tasks.desk import Desk

LEFT = {"id": [3, 1, None, 2, 1], "text": ["c", "a", "none", "b", "a2"]}
RIGHT = {"id": [1, 2, 1, None, 9], "text": ["x", "y", "z", "null", "nine"], "note": [1, 2, 3, 4, 5]}


def joined(desk: Desk, left: Any, right: Any, /, **params: Any) -> pl.DataFrame:
    inputs = {"table": desk.table(left), "other": desk.table(right, "other.parquet")}
    return desk.run("join", inputs, **params)["table"]


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        ("inner", [(1, "a", "x", 1), (1, "a", "z", 3), (2, "b", "y", 2), (1, "a2", "x", 1), (1, "a2", "z", 3)]),
        (
            "left",
            [
                (3, "c", None, None),
                (1, "a", "x", 1),
                (1, "a", "z", 3),
                (None, "none", None, None),
                (2, "b", "y", 2),
                (1, "a2", "x", 1),
                (1, "a2", "z", 3),
            ],
        ),
        (
            "full",
            [
                (3, "c", None, None),
                (1, "a", "x", 1),
                (1, "a", "z", 3),
                (None, "none", None, None),
                (2, "b", "y", 2),
                (1, "a2", "x", 1),
                (1, "a2", "z", 3),
                (None, None, "null", 4),
                (9, None, "nine", 5),
            ],
        ),
    ],
)
def test_rows_come_in_the_order_of_the_left_table(desk: Desk, how: str, rows: list[tuple[Any, ...]]) -> None:
    made = joined(desk, LEFT, RIGHT, on=["id"], how=how)
    assert made.columns == ["id", "text", "text_right", "note"]
    assert made.rows() == rows


def test_a_right_join_has_the_rows_without_a_partner_last(desk: Desk) -> None:
    made = joined(desk, LEFT, RIGHT, on=["id"], how="right")
    inner = joined(desk, LEFT, RIGHT, on=["id"], how="inner")
    assert made.head(5).rows(named=True) == inner.rows(named=True)
    assert made.tail(2).rows(named=True) == [
        {"id": None, "text": None, "text_right": "null", "note": 4},
        {"id": 9, "text": None, "text_right": "nine", "note": 5},
    ]


def test_rows_with_and_without_a_partner_keep_the_left_columns(desk: Desk) -> None:
    assert joined(desk, LEFT, RIGHT, on=["id"], how="semi")["text"].to_list() == ["a", "b", "a2"]
    assert joined(desk, LEFT, RIGHT, on=["id"], how="anti")["text"].to_list() == ["c", "none"]


def test_several_columns_may_be_joined_on(desk: Desk) -> None:
    made = joined(desk, LEFT, {"id": [1, 1], "text": ["a", "q"], "n": [1, 2]}, on=["id", "text"])
    assert made.rows() == [(1, "a", 1)]


@pytest.mark.parametrize("how", ["inner", "left", "right", "full", "semi", "anti"])
def test_empty_tables_keep_their_columns_and_types(desk: Desk, how: str) -> None:
    left, right = pl.DataFrame(LEFT), pl.DataFrame(RIGHT)
    full = joined(desk, left, right, on=["id"], how=how)
    assert joined(desk, left.clear(), right.clear(), on=["id"], how=how).equals(full.clear())
    assert joined(desk, left, right.clear(), on=["id"], how=how).schema == full.schema
    assert joined(desk, left.clear(), right, on=["id"], how=how).schema == full.schema


@pytest.mark.parametrize(
    ("right", "params", "kind", "said"),
    [
        (RIGHT, {"on": ["ix"]}, TableError, ["'table' has no column 'ix'", "id"]),
        ({"ix": [1]}, {"on": ["id"]}, TableError, ["'other' has no column 'id'", "ix"]),
        ({"id": ["1"]}, {"on": ["id"]}, TableError, ["'id' is of type Int64", "String", "other.parquet"]),
        ({**RIGHT, "text_right": [0] * 5}, {"on": ["id"]}, SettingsError, ["two columns would be called 'text_right'"]),
        (RIGHT, {"on": ["id"], "validate": "m:1"}, TableError, ["the keys are not m:1", "other.parquet"]),
        (RIGHT, {"on": ["id"], "validate": "1:1"}, TableError, ["the keys are not 1:1"]),
        (RIGHT, {"on": ["id"], "validate": "1:m", "how": "left"}, TableError, ["the keys are not 1:m"]),
    ],
)
def test_what_cannot_be_joined_is_said(
    desk: Desk, right: dict[str, Any], params: dict[str, Any], kind: type[DreamsmkError], said: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        joined(desk, LEFT, right, **params)
    assert all(part in str(caught.value) for part in said)


@pytest.fixture(scope="module")
def table_of_joins(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk that outlives an example."""
    return Desk(tmp_path_factory.mktemp("join"))


keys = st.lists(st.none() | st.integers(0, 3), max_size=8)


@settings(max_examples=40, deadline=None)
@given(left=keys, right=keys, how=st.sampled_from(["inner", "left", "full", "right"]))
def test_a_join_is_what_two_loops_give(
    table_of_joins: Desk, left: list[int | None], right: list[int | None], how: str
) -> None:
    tables = (
        pl.DataFrame({"k": pl.Series(side, dtype=pl.Int64), name: range(len(side))}, schema_overrides={name: pl.Int64})
        for name, side in (("l", left), ("r", right))
    )
    pairs = [
        (at, to)
        for at, a in enumerate(left)
        for to, b in enumerate(right)
        if a is not None and b is not None and a == b
    ]
    expected: list[tuple[int | None, int | None]] = list(pairs)
    if how in ("left", "full"):
        alone = [(at, None) for at in range(len(left)) if at not in {a for a, _ in pairs}]
        expected = sorted([*pairs, *alone], key=lambda pair: (pair[0], -1 if pair[1] is None else pair[1]))
    if how in ("right", "full"):
        expected += [(None, to) for to in range(len(right)) if to not in {b for _, b in pairs}]
    made = joined(table_of_joins, *tables, on=["k"], how=how)
    assert made.select("l", "r").rows() == expected
    assert made["k"].to_list() == [right[to] if at is None and to is not None else left[at or 0] for at, to in expected]
