"""Every row goes into exactly one part."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dreamsmk.errors import SettingsError, TableError
from tests.unit.tasks.desk import Desk

PARTS = ("train", "validation", "test")


def divide(desk: Desk, rows: int, seed: int | None = None, **sizes: float) -> dict[str, list[int]]:
    """Splits a table of numbered rows and returns the numbers in each part."""
    table = desk.table({"row": polars.Series(range(rows), dtype=polars.Int64), "text": ["x"] * rows})
    outputs = tuple(part for part in PARTS if part in sizes)
    made = desk.run("split", {"table": table}, outputs, seed=seed, **sizes)
    return {part: frame["row"].to_list() for part, frame in made.items()}


def test_shares_divide_the_rows_in_their_order(desk: Desk) -> None:
    parts = divide(desk, 10, train=0.7, validation=0.2, test=0.1)
    assert parts == {"train": list(range(7)), "validation": [7, 8], "test": [9]}
    assert desk.facts == {"train_rows": 7, "validation_rows": 2, "test_rows": 1}


def test_counts_divide_the_rows_in_their_order(desk: Desk) -> None:
    assert divide(desk, 5, train=3, test=2) == {"train": [0, 1, 2], "test": [3, 4]}
    assert divide(desk, 2, train=1, test=1) == {"train": [0], "test": [1]}
    assert divide(desk, 3, train=2.0, test=1.0) == {"train": [0, 1], "test": [2]}


def test_one_part_may_be_all(desk: Desk) -> None:
    assert divide(desk, 3, train=1.0) == divide(desk, 3, train=1) == divide(desk, 3, train=3) == {"train": [0, 1, 2]}


def test_shares_that_no_float_adds_up_exactly_do_add_up(desk: Desk) -> None:
    assert divide(desk, 10, train=0.1, validation=0.2, test=0.7)["test"] == list(range(3, 10))
    assert sum(map(len, divide(desk, 9, train=1 / 3, validation=1 / 3, test=1 / 3).values())) == 9


def test_a_seed_shuffles_the_same_way_every_time(desk: Desk) -> None:
    first = divide(desk, 50, seed=1, train=0.5, test=0.5)
    assert divide(desk, 50, seed=1, train=0.5, test=0.5) == first
    assert divide(desk, 50, seed=2, train=0.5, test=0.5) != first
    assert first["train"] != list(range(25))
    assert sorted(first["train"] + first["test"]) == list(range(50))


def test_a_seed_of_zero_is_a_seed(desk: Desk) -> None:
    assert divide(desk, 50, seed=0, train=1.0)["train"] != list(range(50))


@pytest.mark.parametrize("seed", [None, 7])
def test_an_empty_table_gives_empty_parts_with_its_columns(desk: Desk, seed: int | None) -> None:
    assert divide(desk, 0, seed=seed, train=0.5, test=0.5) == {"train": [], "test": []}
    assert polars.read_parquet(desk.folder / "made_train.parquet").columns == ["row", "text"]


def test_values_and_types_stay_what_they_were(desk: Desk) -> None:
    columns: dict[str, Any] = {"n": [1, None], "list": [[1.5], []], "text": ["", "ä"]}
    made = desk.run("split", {"table": desk.table(columns)}, ("train",), train=1.0)["train"]
    assert made.equals(polars.DataFrame(columns))


@pytest.mark.parametrize(
    ("rows", "sizes", "said"),
    [
        (10, {"train": 0.5, "test": 0.4}, "the shares add up to 0.9"),
        (10, {"train": 0.5, "test": 1}, "the shares add up to 1.5"),
        (10, {"train": 5, "test": 4}, "the parts add up to 9 rows, and the table has 10"),
        (11, {"train": 1, "test": 9}, "the parts add up to 10 rows, and the table has 11"),
        (3, {"train": 1, "test": 1}, "the parts add up to 2 rows, and the table has 3"),
        (4, {"train": 2.5, "test": 1.5}, "the shares add up to 4"),
    ],
)
def test_sizes_that_do_not_add_up_are_an_error(desk: Desk, rows: int, sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        divide(desk, rows, **sizes)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_part_that_would_have_no_rows_is_an_error(desk: Desk, rows: int) -> None:
    with pytest.raises(TableError, match="'test' would have no rows"):
        divide(desk, rows, train=0.9, test=0.1)


def test_each_output_needs_a_size_and_each_size_an_output(desk: Desk) -> None:
    table = desk.table({"row": [1, 2]})
    for outputs in (("train",), ("train", "validation")):
        with pytest.raises(SettingsError, match="give one size for each output"):
            desk.run("split", {"table": table}, outputs, train=0.5, test=0.5)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 60),
    weights=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    seed=st.none() | st.integers(0, 2**31),
    as_counts=st.booleans(),
)
def test_whatever_the_sizes_every_row_is_in_exactly_one_part(
    rows: int, weights: list[int], seed: int | None, as_counts: bool
) -> None:
    total = sum(weights)
    if as_counts:
        rows = total
        assume(total > 1)
    sizes = {part: weight if as_counts else weight / total for part, weight in zip(PARTS, weights, strict=False)}
    with tempfile.TemporaryDirectory() as folder:
        try:
            parts = divide(Desk(Path(folder)), rows, seed, **sizes)
        except TableError:
            assert min(weights) / total * rows <= 1, "a part has no rows only where its share is less than one"
            return
    assert sorted(row for part in parts.values() for row in part) == list(range(rows))
    for part, size in sizes.items():
        assert abs(len(parts[part]) - (size if as_counts else size * rows)) <= 1
    if seed is None:
        assert [row for part in parts.values() for row in part] == list(range(rows))


@pytest.mark.parametrize("seed", [None, 5])
def test_a_stratified_split_gives_each_part_its_share_of_each_value(desk: Desk, seed: int | None) -> None:
    labels = ["a"] * 80 + ["b"] * 15 + [None] * 5
    table = desk.table({"row": range(100), "label": labels})
    made = desk.run("split", {"table": table}, ("train", "test"), train=0.8, test=0.2, stratify_by="label", seed=seed)
    assert made["train"]["label"].value_counts(sort=True).rows() == [("a", 64), ("b", 12), (None, 4)]
    assert made["test"]["label"].value_counts(sort=True).rows() == [("a", 16), ("b", 3), (None, 1)]
    assert sorted([*made["train"]["row"], *made["test"]["row"]]) == list(range(100))
    assert made["train"]["row"].is_sorted() is (seed is None)


def test_values_of_any_type_are_groups(desk: Desk) -> None:
    table = desk.table({"list": [[1], [2], [1], [2]]})
    made = desk.run("split", {"table": table}, ("train", "test"), train=2, test=2, stratify_by="list")
    assert [sorted(part["list"].to_list()) for part in made.values()] == [[[1], [2]]] * 2


def test_a_column_to_stratify_by_must_be_there(desk: Desk) -> None:
    with pytest.raises(TableError, match="no column 'label'"):
        desk.run("split", {"table": desk.table({"row": [1]})}, ("train",), train=1.0, stratify_by="label")
