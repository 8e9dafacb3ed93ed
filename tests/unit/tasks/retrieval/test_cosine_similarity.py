"""The cosine of two columns, of texts or of vectors, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError, TableError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk

RULE = "cosine_similarity"


def compare(desk: Desk, a: Any, b: Any, /, **params: Any) -> pl.DataFrame:
    return desk.run(RULE, {"table": desk.table({"a": a, "b": b})}, **{"a": "a", "b": "b", **params})["table"]


def test_vectors_are_compared_without_a_model(desk: Desk) -> None:
    a = [[1.0, 0.0], [1.0, 1.0], [2.0, 0.0], [1e-30, 0.0], [3.0, 4.0]]
    b = [[5.0, 0.0], [1.0, -1.0], [-7.0, 0.0], [1e-30, 1e-30], [4.0, 3.0]]
    table = compare(desk, a, b)
    assert table.schema["similarity"] == pl.Float32
    assert table["similarity"].to_list() == pytest.approx([1.0, 0.0, -1.0, 0.5**0.5, 0.96], abs=1e-7)
    assert table["a"].to_list() == a


def test_a_vector_of_zeros_has_no_cosine(desk: Desk) -> None:
    table = compare(desk, [[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]])
    assert table["similarity"].to_list() == [None, 1.0]
    assert desk.facts["zero_vectors"] == 1


def test_texts_are_compared_by_the_vectors_of_a_model_and_each_is_asked_once(desk: Desk) -> None:
    table = compare(desk, ["x y", "x", "x y"], ["y x", "x", "z"], model="encoder")
    assert desk.sent() == 4
    values = table["similarity"].to_list()
    assert values[:2] == [1.0, 1.0]
    assert -1.0 < values[2] < 1.0
    same = compare(desk, ["x y"], ["x y"], model="encoder", prefix="p ", columns={"similarity": "s"})
    assert same.columns == ["a", "b", "s"]
    assert desk.sent() == 1


def test_texts_may_be_compared_with_vectors(desk: Desk) -> None:
    texts = [f"text {row % 90}" for row in range(3000)]
    embedded = desk.run("embed", {"table": desk.table({"a": texts})}, model="encoder", texts="a")["table"]
    for left, right in (("a", "b"), ("b", "a")):
        table = compare(desk, embedded["a"], embedded["embeddings"], **{"a": left, "b": right}, model="encoder")
        assert (table["similarity"] == 1.0).all()
        assert desk.sent() == 0
    assert compare(desk, texts, texts, a="b", b="b", model="encoder")["similarity"].min() == 1.0


def test_the_cosine_is_that_of_numpy(desk: Desk) -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 2500, 7))
    table = compare(desk, a.tolist(), pl.Series(b.astype(np.float32), dtype=pl.Array(pl.Float32, 7)))
    wanted = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert np.abs(table["similarity"].to_numpy() - wanted).max() < 1e-6


def test_rows_without_a_vector_are_named_or_kept(desk: Desk) -> None:
    gone = [[1.0], None]
    with pytest.raises(TableError, match="'b' has no vector") as caught:
        compare(desk, [[1.0], [1.0]], gone)
    assert "row 1 (from 0)" in caught.value.where
    assert compare(desk, [[1.0], [1.0]], gone, nulls="keep")["similarity"].to_list() == [1.0, None]
    with pytest.raises(TableError, match="1 empty cells"):
        compare(desk, ["x", None], ["x", "y"], model="encoder")
    kept = compare(desk, ["x", None, "y"], ["x", "y", None], model="encoder", nulls="keep")
    assert kept["similarity"].to_list() == [1.0, None, None]


def test_a_text_that_fails_says_so_in_its_row(desk: Desk) -> None:
    desk.specs["encoder"] = ModelSpec(provider="echo", model="encoder", options={"fail_on": "poison"})
    with pytest.raises(ProviderError, match="1 of 4"):
        compare(desk, ["x", "y"], ["poison", "y"], model="encoder")
    table = compare(desk, ["x", "y"], ["poison", "y"], model="encoder", max_failures=1)
    assert table["similarity"].to_list() == [None, 1.0]
    assert table["failure"][0].startswith("rejected: ")
    assert table["failure"][1] is None


def test_an_empty_table_keeps_its_columns_and_asks_nobody(desk: Desk) -> None:
    none = pl.Series([], dtype=pl.String)
    table = compare(desk, none, none, model="encoder")
    assert table.schema == {"a": pl.String, "b": pl.String, "similarity": pl.Float32}
    assert desk.sent() == 0


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (["x"], [[1.0]], "there is no model"),
        ([[1.0, 2.0]], [[1.0]], "'a' have 2 numbers, and those of 'b' 1"),
        ([[1.0, float("inf")]], [[1.0, 1.0]], "null or not finite"),
        ([{"x": 1}], [[1.0]], "neither texts nor vectors"),
    ],
)
def test_what_cannot_be_compared_is_said(desk: Desk, a: Any, b: Any, said: str) -> None:
    with pytest.raises((SettingsError, TableError), match=said):
        compare(desk, a, b)
