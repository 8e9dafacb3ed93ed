"""Queries get the rows that are nearest to them, of the table and by the model that the index was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.settings import ModelSpec
from dreamsmk.smk.meta import load_meta
from tests.unit.tasks.desk import Desk

PAPERS = ["a network of attention", "the loss of a model", "a small model", "attention", "the loss of a model"]
VECTORS = pl.List(pl.Float32)


@pytest.fixture
def corpus(desk: Desk) -> Path:
    return desk.table({"text": PAPERS, "title": list("ABCDE")}, "corpus.parquet")


def make_index(desk: Desk, table: Path, **params: Any) -> Path:
    desk.run("index", {"table": table}, ("index",), **params)
    kept = desk.folder / f"{table.stem}.index"
    return (desk.folder / "made_index").rename(kept)


def retrieve(desk: Desk, queries: Any, corpus: Path, index: Path, **params: Any) -> pl.DataFrame:
    table = desk.table({"query_text": queries, "number": range(len(queries))}, "queries.parquet")
    inputs = {"table": table, "index": index, "corpus": corpus}
    return desk.run("retrieve", inputs, **{"queries": "query_text", **params})["table"]


def test_each_query_gets_its_nearest_rows_best_first_and_equal_ones_by_row(desk: Desk, corpus: Path) -> None:
    index = make_index(desk, corpus, column="text", model="encoder", normalize=True)
    table = retrieve(desk, ["the loss of a model", "attention"], corpus, index, model="encoder", k=3, take=["title"])
    assert table.columns == ["query_text", "number", "indices", "scores", "title"]
    assert table["indices"][0].to_list()[:2] == [1, 4]
    assert table["scores"][0].to_list()[:2] == [1.0, 1.0]
    assert table["indices"][1][0] == 3
    for rows, scores, titles in table.select("indices", "scores", "title").iter_rows():
        assert titles == ["ABCDE"[row] for row in rows]
        assert scores == sorted(scores, reverse=True)


def test_one_row_a_hit_says_the_same_as_lists(desk: Desk, corpus: Path) -> None:
    index = make_index(desk, corpus, column="text", model="encoder")
    queries = [f"a model of {row}" for row in range(1500)]
    asked = {"model": "encoder", "k": 2, "take": ["title"]}
    lists = retrieve(desk, queries, corpus, index, **asked)
    rows = retrieve(desk, queries, corpus, index, **asked, layout="rows", columns={"query_index": "row"})
    assert rows.columns == ["query_text", "number", "row", "rank", "index", "score", "title"]
    assert (rows["row"] == rows["number"]).all()
    assert rows["rank"].to_list() == [0, 1] * 1500
    assert rows["index"].to_list() == lists["indices"].explode(empty_as_null=False, keep_nulls=False).to_list()
    assert rows["score"].to_list() == lists["scores"].explode(empty_as_null=False, keep_nulls=False).to_list()
    assert rows["title"].to_list() == lists["title"].explode(empty_as_null=False, keep_nulls=False).to_list()


def test_texts_that_were_embedded_before_cost_nothing(desk: Desk, corpus: Path) -> None:
    desk.run("embed", {"table": corpus}, model="encoder", texts="text")
    index = make_index(desk, corpus, column="text", model="encoder")
    assert desk.sent() == 0
    retrieve(desk, ["attention", "attention", "new"], corpus, index, model="encoder")
    assert desk.sent() == 1


@pytest.mark.parametrize("metric", ["inner_product", "l2"])
@pytest.mark.parametrize("normalize", [False, True])
def test_vectors_are_found_as_a_plain_search_finds_them(desk: Desk, metric: str, normalize: bool) -> None:
    random = np.random.default_rng(0)
    entries, queries = (random.standard_normal((count, 12)).astype(np.float32) for count in (400, 60))
    entries[7] = entries[300] = entries[20]  # three that are the same
    queries[0] = entries[20]
    corpus = desk.table({"v": entries.tolist()}, "corpus.parquet")
    index = make_index(desk, corpus, column="v", metric=metric, normalize=normalize)
    table = retrieve(desk, pl.Series(queries.tolist(), dtype=VECTORS), corpus, index, k=9)

    def unit(matrix: Any) -> Any:
        wide = matrix.astype(np.float64)
        return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)

    left, right = (unit(m) if normalize else m.astype(np.float64) for m in (queries, entries))
    products = left @ right.T
    scores = products if metric == "inner_product" else ((left[:, None] - right[None]) ** 2).sum(axis=2)
    keys = (-scores if metric == "inner_product" else scores).astype(np.float32)
    wanted = [np.lexsort((np.arange(400), row))[:9].tolist() for row in keys]
    assert table["indices"].to_list() == wanted
    assert desk.facts["rows"] == 60


def test_a_great_many_equal_entries_come_by_row(desk: Desk) -> None:
    rows = 20_000
    entries = np.ones((rows, 4), dtype=np.float32)
    entries[rows - 1] = 2.0
    corpus = desk.table({"v": entries.tolist()}, "corpus.parquet")
    index = make_index(desk, corpus, column="v")
    table = retrieve(desk, pl.Series([[1.0, 1.0, 1.0, 1.0]] * 2, dtype=VECTORS), corpus, index, k=4)
    assert table["indices"].to_list() == [[rows - 1, 0, 1, 2]] * 2


def test_more_than_there_are_gives_all_and_none_gives_none(desk: Desk, corpus: Path) -> None:
    index = make_index(desk, corpus, column="text", model="encoder")
    assert retrieve(desk, ["a"], corpus, index, model="encoder", k=9)["indices"].list.len().to_list() == [5]
    some = retrieve(desk, ["a"], corpus, index, model="encoder", take=["title"])
    none = pl.Series([], dtype=pl.String)
    for layout in ("lists", "rows"):
        asked = {"model": "encoder", "take": ["title"], "layout": layout}
        table = retrieve(desk, none, corpus, index, **asked)
        assert table.height == 0
        assert table.schema == retrieve(desk, ["a"], corpus, index, **asked).schema
    empty = desk.table({"text": none, "title": none}, "empty.parquet")
    bare = make_index(desk, empty, column="text", model="encoder")
    assert sorted(path.name for path in bare.iterdir()) == ["index.json"]
    table = retrieve(desk, ["a", "b"], empty, bare, model="encoder", take=["title"])
    assert table["title"].to_list() == [[], []]
    assert table.schema == some.schema
    assert retrieve(desk, ["a"], empty, bare, model="encoder", layout="rows").height == 0


def test_the_same_vectors_give_the_same_files(desk: Desk, corpus: Path) -> None:
    asked = {"column": "text", "model": "encoder"}
    first, files = make_index(desk, corpus, **asked), ("index.faiss", "index.json")
    before = [(first / name).read_bytes() for name in files]
    (desk.folder / "again").mkdir()
    again = make_index(desk, corpus.rename(desk.folder / "again/moved.parquet"), **asked)
    assert [(again / name).read_bytes() for name in files] == before
    said = json.loads(before[1])
    assert said["rows"] == 5
    assert said["dimensions"] == 16
    assert said["model"] == {"provider": "echo", "model": "encoder"}


def test_another_model_than_the_index_s_is_refused_before_a_call(desk: Desk, corpus: Path) -> None:
    index = make_index(desk, corpus, column="text", model="encoder")
    with pytest.raises(SettingsError, match=r"not the one that the index was made with \(model: encoder in the index"):
        retrieve(desk, ["a"], corpus, index, model="other")
    assert desk.sent() == 0
    with pytest.raises(SettingsError, match="there is no model for their vectors"):
        retrieve(desk, ["a"], corpus, index)
    desk.specs["other"] = ModelSpec(provider="echo", model="encoder", options={"prompt": "query: "})
    retrieve(desk, ["a"], corpus, index, model="other")


def test_another_table_than_the_indexed_one_is_refused(desk: Desk, corpus: Path) -> None:
    index = make_index(desk, corpus, column="text", model="encoder")
    other = desk.table({"text": PAPERS[::-1], "title": list("ABCDE")}, "other.parquet")
    with pytest.raises(TableError, match="not the one that was indexed"):
        retrieve(desk, ["a"], other, index, model="encoder")
    with pytest.raises(TableError, match="2 rows, and the index 5"):
        retrieve(desk, ["a"], desk.table({"text": ["a", "b"]}, "two.parquet"), index, model="encoder")
    assert desk.sent() == 0


def test_a_text_file_is_indexed_by_its_rows_and_not_its_bytes(desk: Desk) -> None:
    index = make_index(desk, desk.file("a.csv", "text\nattention\nloss\n"), column="text", model="encoder")
    same = desk.table({"text": ["attention", "loss"]}, "same.parquet")
    assert retrieve(desk, ["loss"], same, index, model="encoder", k=1)["indices"].to_list() == [[1]]


@pytest.mark.parametrize("factory", ["HNSW8,Flat", "IVF4,Flat", "PQ4x4"])
def test_other_indexes_find_and_are_made_the_same_twice(desk: Desk, factory: str) -> None:
    entries = np.random.default_rng(1).standard_normal((900, 8)).astype(np.float32)
    corpus = desk.table({"v": entries.tolist()}, "corpus.parquet")
    files = []
    for _ in range(2):
        index = make_index(desk, corpus, column="v", factory=factory, metric="l2")
        files.append((index / "index.faiss").read_bytes())
        table = retrieve(desk, pl.Series(entries[:30].tolist(), dtype=VECTORS), corpus, index, k=3)
        index.rename(desk.folder / f"index_{len(files)}")
    assert files[0] == files[1]
    assert table["indices"].list.len().min() == 3
    if factory != "PQ4x4":
        assert table["indices"].list.first().to_list() == list(range(30))


def test_the_search_of_an_index_that_is_not_flat_can_be_set(desk: Desk) -> None:
    entries = np.random.default_rng(1).standard_normal((400, 8)).astype(np.float32)
    corpus = desk.table({"v": entries.tolist()}, "corpus.parquet")
    index = make_index(desk, corpus, column="v", factory="IVF8,Flat")
    queries = pl.Series(entries[:5].tolist(), dtype=VECTORS)
    retrieve(desk, queries, corpus, index, search="nprobe=8")
    with pytest.raises(SettingsError, match="takes no 'probes=8'"):
        retrieve(desk, queries, corpus, index, search="probes=8")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"factory": "Fast"}, "cannot make the index 'Fast': could not parse"),
        ({"factory": "IVF64,Flat", "column": "v"}, "cannot make the index 'IVF64,Flat'"),
        ({"column": "v", "normalize": True}, "zeros cannot be scaled"),
        ({"column": "odd"}, "vectors of 2 and of 1 numbers"),
        ({"column": "gone"}, "has no vector"),
        ({"column": "nan"}, "null or not finite"),
        ({"column": "day"}, "neither texts nor vectors"),
        ({"column": "text", "model": None}, "there is no model for their vectors"),
    ],
)
def test_what_cannot_be_indexed_is_said_with_its_row(desk: Desk, params: dict[str, Any], said: str) -> None:
    vectors = {"v": [[1.0, 2.0], [0.0, 0.0]], "odd": [[1.0, 2.0], [1.0]], "gone": [[1.0], None]}
    table = desk.table({"text": ["a", "b"], "nan": [[1.0], [float("nan")]], "day": [["a"], []], **vectors})
    with pytest.raises((SettingsError, TableError), match=said) as caught:
        desk.run("index", {"table": table}, ("index",), **{"column": "text", "model": "encoder", **params})
    if params.get("column") in ("odd", "gone", "nan") or "normalize" in params:
        assert "row 1 (from 0)" in caught.value.where
    assert desk.sent() == 0


def test_a_folder_that_is_no_index_is_refused(desk: Desk, corpus: Path) -> None:
    (desk.folder / "folder").mkdir()
    with pytest.raises(TableError, match="the folder is no index"):
        retrieve(desk, ["a"], corpus, desk.folder / "folder", model="encoder")
    index = make_index(desk, corpus, column="text", model="encoder")
    (index / "index.faiss").write_bytes(b"IxFI")
    with pytest.raises(TableError, match="the index cannot be read"):
        retrieve(desk, ["a"], corpus, index, model="encoder")
    (index / "index.json").write_text('{"index_version": 99}')
    with pytest.raises(TableError, match="newer than 1"):
        retrieve(desk, ["a"], corpus, index, model="encoder")


def test_vectors_of_other_lengths_are_refused(desk: Desk, corpus: Path) -> None:
    index = make_index(desk, corpus, column="text", model="encoder")
    with pytest.raises(TableError, match="have 2 numbers, and those of the index have 16"):
        retrieve(desk, pl.Series([[1.0, 2.0]], dtype=VECTORS), corpus, index)


def test_one_row_a_hit_is_not_made_in_shards() -> None:
    check = load_meta("retrieve").load_check_row_wise()
    assert check is not None
    check({})
    with pytest.raises(SettingsError, match="cannot be made in shards"):
        check({"layout": "rows"})
