"""A vector for each text, beside the columns of its row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError, TableError
from dreamsmk.providers.echo_values import echo_vector
from dreamsmk.requests import Response, Usage
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

VECTOR = pl.Array(pl.Float32, 16)
LONG = "the " * 40


def embed(desk: Desk, texts: Any, /, **params: Any) -> pl.DataFrame:
    table = desk.table({"text": texts, "row": range(len(texts))})
    return desk.run("embed", {"table": table}, **{"model": "encoder", "texts": "text", **params})["table"]


def echoed(text: str) -> list[float]:
    reply = Response("", "stop", "echo", Usage(), "", 0.0, embedding=echo_vector(text))
    return [float(number) for number in reply.vector()]


def test_each_row_keeps_its_columns_and_gets_the_vector_of_its_text(desk: Desk) -> None:
    table = embed(desk, ["b", "", "Zwei\nZeilen, 日本 🦜"])
    assert table.schema == {"text": pl.String, "row": pl.Int64, "embeddings": VECTOR}
    assert table["text"].to_list() == ["b", "", "Zwei\nZeilen, 日本 🦜"]
    for text, _, vector in table.iter_rows():
        assert list(vector) == echoed(text)
    assert desk.facts == {"rows": 3, "dimensions": 16, "truncated": 0}


def test_a_text_is_paid_for_once(desk: Desk) -> None:
    embed(desk, ["a", "b", "a"])
    assert desk.sent() == 2
    embed(desk, ["c", "b", "a"])
    assert desk.sent() == 1
    embed(desk, ["b", "a"])
    assert desk.sent() == 0


def test_the_prefix_is_put_before_each_text_once(desk: Desk) -> None:
    table = embed(desk, ["a b"], prefix="query: ")
    assert list(table["embeddings"][0]) == echoed("query: a b")
    embed(desk, ["query: a b"])
    assert desk.sent() == 0


def test_more_rows_than_one_batch_stay_in_order(desk: Desk) -> None:
    texts = [f"text {row % 700}" for row in range(5000)]
    table = embed(desk, texts)
    assert table["text"].to_list() == texts
    assert table["row"].to_list() == list(range(5000))
    wanted = np.array([echoed(text) for text in texts], dtype=np.float32)
    assert (table["embeddings"].to_numpy() == wanted).all()
    assert desk.sent() == 700


def test_a_table_without_rows_has_the_same_columns_for_one_call_in_its_life(desk: Desk) -> None:
    none = pl.Series([], dtype=pl.String)
    assert embed(desk, none).schema == embed(desk, ["a"]).schema
    embed(desk, none)
    assert desk.sent() == 0
    assert embed(desk, none, dimensions=3).schema["embeddings"] == pl.Array(pl.Float32, 3)
    assert not desk.models["encoder"].tally.requests


def test_rows_without_a_text_are_named_before_a_call_or_kept(desk: Desk) -> None:
    with pytest.raises(TableError, match="1 empty cells") as caught:
        embed(desk, ["a", None])
    assert "row 1 (from 0)" in caught.value.where
    assert desk.sent() == 0
    kept = embed(desk, ["a", None, "b", None], nulls="keep")
    assert [vector is None for vector in kept["embeddings"]] == [False, True, False, True]
    assert list(kept["embeddings"][2]) == echoed("b")
    assert embed(desk, pl.Series([None, None], dtype=pl.String), nulls="keep").schema == kept.schema


def test_a_row_that_fails_says_why_and_the_others_have_their_vectors(desk: Desk) -> None:
    desk.specs["encoder"] = ModelSpec(provider="echo", model="encoder", options={"fail_on": "poison"})
    with pytest.raises(ProviderError, match="1 of 3"):
        embed(desk, ["poison", "a", "b"])
    table = embed(desk, ["poison", "a", "b"], max_failures=1)
    assert table.columns == ["text", "row", "embeddings", "failure"]
    assert table["failure"][0].startswith("rejected: ")
    assert table["failure"].null_count() == 2
    assert table["embeddings"].is_null().to_list() == [True, False, False]
    assert desk.sent() == 1
    embed(desk, ["poison", "a"], max_failures=0.5)
    with pytest.raises(ProviderError, match="1 of 3"):
        embed(desk, ["poison", "a", "b"], max_failures=0.2)


def test_a_service_is_asked_for_many_texts_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with WireServer() as server:
        desk.specs["encoder"] = ModelSpec(provider="openai", model="text-embedding-3-small", base_url=server.openai_url)
        table = embed(desk, [f"text {row}" for row in range(200)])
        assert table["embeddings"].n_unique() == 200
        assert len(server.requests) < 20


def test_a_text_that_is_too_long_fails_its_row_or_is_cut_and_counted(desk: Desk, tiny_encoder: Path) -> None:
    desk.specs["encoder"] = ModelSpec(provider="sentence_transformers", model=str(tiny_encoder), device="cpu")
    with pytest.raises(ProviderError, match="longer than the model reads") as caught:
        embed(desk, ["the of and", LONG])
    assert "row 1" in str(caught.value)
    assert "truncate" in str(caught.value)
    cut = embed(desk, ["the of and", LONG, None], truncate=True, nulls="keep")
    assert desk.facts["truncated"] == 1
    assert desk.facts["dimensions"] == 32
    assert cut["embeddings"].null_count() == 1
    failed = embed(desk, ["the of and", LONG], max_failures=1)
    assert failed["failure"][1].startswith("length: ")
    assert desk.sent() == 0


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"columns": {"embeddings": "text"}}, "two columns would be called 'text'"),
        ({"columns": {"embedding": "x"}}, "did you mean 'embeddings'"),
        ({"texts": "texts"}, "did you mean 'text'"),
        ({"dimensions": 8}, "a vector of 16 numbers, and 8 are expected"),
    ],
)
def test_what_is_wrong_is_said(desk: Desk, params: dict[str, Any], said: str) -> None:
    with pytest.raises((SettingsError, TableError, ProviderError), match=said):
        embed(desk, ["a"], **params)


def test_a_column_that_holds_no_text_is_refused(desk: Desk) -> None:
    with pytest.raises(TableError, match="'text' is of type List"):
        embed(desk, [["a"]])


def test_a_megabyte_in_a_cell_is_embedded(desk: Desk) -> None:
    table = embed(desk, ["ä" * 500_000, "b"])
    assert table["embeddings"].null_count() == 0


def test_order_and_duplicates_of_rows_change_nothing_of_a_row(desk: Desk) -> None:
    texts = ["b", "a", "ä 日本", "a", ""]
    whole = embed(desk, texts)
    for order in ([4, 3, 2, 1, 0], [1, 1, 1], [2, 0, 4, 0, 2, 1, 3]):
        part = embed(desk, [texts[row] for row in order])
        assert part["embeddings"].to_list() == whole[order]["embeddings"].to_list()
        assert desk.sent() == 0


def test_a_table_of_ten_thousand_columns_gets_one_more(desk: Desk) -> None:
    table = desk.table({"text": ["a", "b"], **{f"c{number}": [1, 2] for number in range(10_000)}}, "wide.parquet")
    made = desk.run("embed", {"table": table}, model="encoder", texts="text")["table"]
    assert made.width == 10_002
    assert made.columns[-1] == "embeddings"
