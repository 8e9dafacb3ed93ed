"""What the tasks that embed, look up and score make of a small fixed input; see `results`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.hashing import digest_file, digest_rows
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk

TEXTS = {"text": ["We show a thing.", "", "We show a thing.", "Zwei\nZeilen, 日本"], "label": list("ABCD")}
QUERIES = {"query": ["We show a thing.", "日本 zwei", ""], "row": [0, 1, 2]}
# Whole numbers, so that no sum of products is ever rounded.
VECTORS = pl.Series([[3, 4, 0], [0, 0, 0], [3, 4, 0], [-4, 3, 12]], dtype=pl.List(pl.Int8))
SAMPLING = {"temperature": 0.5, "max_tokens": 40, "seed": 7}


def _embed(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(TEXTS)}
    yield _rows(desk, "plain", "embed", table, model="teacher", texts="text")
    asked = {"prefix": "query: ", "columns": {"embeddings": "vector"}, "max_failures": 1, "dimensions": 16}
    yield _rows(desk, "all", "embed", table, model="teacher", texts="text", **asked)


def _index(desk: Desk) -> Iterator[tuple[str, str]]:
    table = desk.table({**TEXTS, "vector": VECTORS})
    for name, params in (
        ("of texts", {"column": "text", "model": "teacher", "normalize": True, "prefix": "passage: "}),
        ("of vectors", {"column": "vector", "metric": "l2"}),
    ):
        yield name, digest_file(_made_index(desk, table, **params) / "index.json")


def _retrieve(desk: Desk) -> Iterator[tuple[str, str]]:
    corpus = desk.table({**TEXTS, "vector": VECTORS}, "corpus.parquet")
    inputs = {"table": desk.table({**QUERIES, "vector": VECTORS.head(3)}), "corpus": corpus}
    inputs["index"] = _made_index(desk, corpus, column="text", model="teacher", normalize=True)
    asked = {"queries": "query", "model": "teacher", "k": 3}
    for name, params in (("lists", {}), ("rows", {"layout": "rows", "take": ["label"]})):
        made = desk.run("retrieve", inputs, **asked, **params)["table"]
        # scores are sums, whose last digit is another on some processors
        scores = {"lists": "scores", "rows": "score"}[name]
        made.drop(scores).write_parquet("without_scores.parquet")
        yield name, digest_rows(Path("without_scores.parquet"))
    inputs["index"] = _made_index(desk, corpus, column="vector", metric="l2")
    yield _rows(desk, "of vectors", "retrieve", inputs, queries="vector", k=4, take=["text"])


def _cosine_similarity(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table({**TEXTS, "a": VECTORS, "b": VECTORS.reverse()})}
    yield _rows(desk, "of vectors", "cosine_similarity", table, a="a", b="b")
    yield _rows(desk, "of texts", "cosine_similarity", table, a="text", b="text", model="teacher", max_failures=1)


def _run_task_model(desk: Desk) -> Iterator[tuple[str, str]]:
    desk.specs["judge"] = ModelSpec(provider="echo", model="judge", options={"labels": ["good", "bad"]})
    table = {"table": desk.table({"text": TEXTS["text"]})}
    yield _rows(desk, "plain", "run_task_model", table, model="judge", texts="text")
    asked = {"labels": ["good", "bad"], "layout": "columns", "columns": {"label": "mood"}, "max_failures": 1}
    yield _rows(desk, "all", "run_task_model", table, model="judge", texts="text", **asked)


def _rag_prompt(desk: Desk) -> Iterator[tuple[str, str]]:
    inputs = _looked_up(desk, "corpus")
    asked = {"model": "student", "embedder": "teacher", "inputs": "query", "documents": "text"}
    yield _rows(desk, "plain", "rag_prompt", inputs, **asked, k=2)
    layout = {"instruction": "Answer.", "document_label": None, "input_label": "Q:", "separator": " | "}
    yield _rows(desk, "all", "rag_prompt", inputs, **asked, **layout, **SAMPLING, keep=["prompts"], context_length=60)


def _few_shot_prompt_with_retrieval(desk: Desk) -> Iterator[tuple[str, str]]:
    inputs, rule = _looked_up(desk, "examples"), "few_shot_prompt_with_retrieval"
    columns = {"inputs": "query", "input_examples": "text", "output_examples": "label"}
    asked = {"model": "student", "embedder": "teacher", **columns}
    yield _rows(desk, "plain", rule, inputs, **asked, k=2)
    layout = {"instruction": "Answer.", "output_label": None, "input_label": "Q:", "separator": " | "}
    yield _rows(desk, "all", rule, inputs, **asked, **layout, **SAMPLING, keep=["prompts"], context_length=60)


RETRIEVAL: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {
    "cosine_similarity": _cosine_similarity,
    "embed": _embed,
    "few_shot_prompt_with_retrieval": _few_shot_prompt_with_retrieval,
    "index": _index,
    "rag_prompt": _rag_prompt,
    "retrieve": _retrieve,
    "run_task_model": _run_task_model,
}


def _looked_up(desk: Desk, role: str) -> dict[str, Path]:
    corpus = desk.table(TEXTS, "corpus.parquet")
    index = _made_index(desk, corpus, column="text", model="teacher", normalize=True)
    return {"table": desk.table(QUERIES), "index": index, role: corpus}


def _made_index(desk: Desk, table: Path, **params: Any) -> Path:
    desk.run("index", {"table": table}, ("index",), **params)
    return desk.folder / "made_index"


def _rows(desk: Desk, name: str, rule: str, inputs: dict[str, Path], /, **params: Any) -> tuple[str, str]:
    desk.run(rule, inputs, **params)
    return name, digest_rows(desk.folder / "made_table.parquet")
