"""Prompts show what is nearest to their row, best first, as much as there is room for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.calls import PlannedModel, SqliteCallCache
from dreamsmk.errors import SettingsError, TableError
from dreamsmk.requests import ModelIdentity
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from tests.unit.tasks.desk import Desk, Notes

DOCUMENTS = ["the loss falls", "a network of attention", "the loss of a model falls", "soup"]
QUESTION = "the loss of a model"


@pytest.fixture
def corpus(desk: Desk) -> Path:
    return desk.table({"text": DOCUMENTS, "answer": list("ABCD")}, "corpus.parquet")


@pytest.fixture
def index(desk: Desk, corpus: Path) -> Path:
    desk.run("index", {"table": corpus}, ("index",), column="text", model="encoder", normalize=True)
    return (desk.folder / "made_index").rename(desk.folder / "corpus.index")


@pytest.fixture
def inputs(desk: Desk, corpus: Path, index: Path) -> dict[str, Path]:
    table = desk.table({"question": [QUESTION, "soup"], "row": [0, 1]})
    return {"table": table, "index": index, "corpus": corpus}


def rag(desk: Desk, inputs: dict[str, Path], **params: Any) -> pl.DataFrame:
    asked = {"model": "writer", "embedder": "encoder", "inputs": "question", "documents": "text", "keep": ["prompts"]}
    return desk.run("rag_prompt", inputs, **{**asked, "k": 2, **params})["table"]


def few_shot(desk: Desk, inputs: dict[str, Path], **params: Any) -> pl.DataFrame:
    columns = {"inputs": "question", "input_examples": "text", "output_examples": "answer"}
    roles = {"table": inputs["table"], "index": inputs["index"], "examples": inputs["corpus"]}
    asked = {"model": "writer", "embedder": "encoder", **columns, "keep": ["prompts"], "k": 2}
    return desk.run("few_shot_prompt_with_retrieval", roles, **{**asked, **params})["table"]


def test_the_documents_stand_before_the_question_best_first(desk: Desk, inputs: dict[str, Path]) -> None:
    table = rag(desk, inputs)
    assert table.columns == ["inputs", "retrieved", "prompts", "generations"]
    rows = table["retrieved"].to_list()
    assert rows[0][0] == 2
    assert rows[1][0] == 3
    for (question, shown, prompt, reply), asked in zip(table.iter_rows(), [QUESTION, "soup"], strict=True):
        documents = "\n".join(f"Document: {DOCUMENTS[row]}" for row in shown)
        assert prompt == f"{documents}\n\nQuestion: {asked}"
        assert question == asked
        assert reply.endswith(prompt)
    assert desk.facts["retrieved"] == {"fewest": 2, "most": 2}


def test_labels_instruction_and_separator_lay_the_prompt_out(desk: Desk, inputs: dict[str, Path]) -> None:
    layout = {"document_label": None, "input_label": "Q:", "separator": "|", "instruction": "Answer."}
    table = rag(desk, inputs, **layout, k=1, carry=["row"], columns={"generations": "answer"})
    assert table["prompts"][1] == "Answer.|soup||Q: soup"
    assert table.columns == ["row", "inputs", "retrieved", "prompts", "answer"]
    assert rag(desk, inputs, **layout, max_examples=0, min_examples=0)["prompts"][1] == "Answer.||Q: soup"
    assert rag(desk, inputs, max_examples=0, min_examples=0)["prompts"][1] == "Question: soup"


def test_the_nearest_examples_are_laid_out_as_few_shot_prompt_does(desk: Desk, inputs: dict[str, Path]) -> None:
    table = few_shot(desk, inputs, instruction="Answer.", k=1)
    assert table["prompts"][0] == f"Answer.\nInput: {DOCUMENTS[2]}\nOutput: C\nInput: {QUESTION}\nOutput:"
    assert table["retrieved"].to_list() == [[2], [3]]
    pairs = desk.table({"text": [DOCUMENTS[2]], "answer": ["C"]}, "one.parquet")
    plain = {"model": "writer", "inputs": "question", "input_examples": "text", "output_examples": "answer"}
    roles = {"table": inputs["table"], "examples": pairs}
    fixed = desk.run("few_shot_prompt", roles, **plain, instruction="Answer.", keep=["prompts"])["table"]
    assert fixed["prompts"][0] == table["prompts"][0]
    assert desk.sent() == 1


@pytest.mark.parametrize("ask", [rag, few_shot])
def test_what_there_is_no_room_for_is_left_out_and_the_question_never(desk: Desk, inputs: dict, ask: Any) -> None:
    whole = ask(desk, inputs, k=4)
    assert whole["retrieved"].list.len().to_list() == [4, 4]
    less = ask(desk, inputs, k=4, context_length=50, max_tokens=8)
    for asked, shown, prompt in less.select("inputs", "retrieved", "prompts").iter_rows():
        assert 0 < len(shown) < 4
        assert f"{asked}" in prompt.rpartition("\n\n" if ask is rag else "Input")[2]
        rank = whole.filter(pl.col("inputs") == asked)["retrieved"][0].to_list()
        assert [row for row in rank if row in shown] == list(shown), "they stay in their order"
    with pytest.raises(TableError, match=r"there is room for \d examples, and there must be 4"):
        ask(desk, inputs, k=4, context_length=50, max_tokens=8, min_examples=4)
    with pytest.raises(TableError, match="row 0"):
        ask(desk, inputs, context_length=13, max_tokens=8)


@pytest.mark.parametrize("ask", [rag, few_shot])
def test_a_second_run_pays_nothing_and_a_new_row_two_calls(desk: Desk, inputs: dict, ask: Any) -> None:
    ask(desk, inputs)
    assert desk.sent() == 3 if ask is few_shot else 4
    ask(desk, inputs)
    assert desk.sent() == 0
    inputs["table"] = desk.table({"question": ["new", QUESTION, "soup"]})
    ask(desk, inputs)
    assert desk.sent() == 2


@pytest.mark.parametrize("ask", [rag, few_shot])
def test_an_empty_table_keeps_its_columns_and_types(desk: Desk, inputs: dict, ask: Any) -> None:
    full = ask(desk, inputs)
    inputs["table"] = desk.table({"question": pl.Series([], dtype=pl.String)}, "none.parquet")
    assert ask(desk, inputs).schema == full.schema
    assert desk.sent() == 0


@pytest.mark.parametrize("ask", [rag, few_shot])
def test_another_embedder_or_table_than_the_index_s_is_refused(desk: Desk, inputs: dict, ask: Any) -> None:
    with pytest.raises(SettingsError, match="not the one that the index was made with") as caught:
        ask(desk, inputs, embedder="other")
    assert caught.value.where == "params.embedder"
    inputs["corpus"] = desk.table({"text": DOCUMENTS, "answer": list("ABCE")}, "changed.parquet")
    with pytest.raises(TableError, match="not the one that was indexed"):
        ask(desk, inputs)
    assert desk.sent() == 0


def test_the_plan_counts_the_vectors_exactly_and_the_prompts_by_their_number(desk: Desk, inputs: dict) -> None:
    meta = load_meta("rag_prompt")
    given = {"model": "writer", "embedder": "encoder", "inputs": "question", "documents": "text"}
    context = Context(
        params=validate_params(meta.params, given, where="rag_prompt"),
        inputs={role: [path] for role, path in inputs.items()},
        outputs={},
        scratch=desk.folder,
        model=lambda alias: PlannedModel(alias, desk.specs[alias], ModelIdentity("echo", alias)),
        progress=Notes(),
    )
    plan = meta.load_plan()
    assert plan is not None
    vectors, prompts = (list(asked.requests) for asked in plan(context))
    assert [request.wanted for request in vectors + prompts] == ["embedding"] * 2 + [None] * 2
    rag(desk, inputs)
    with SqliteCallCache(desk.folder / "calls.db") as cache:
        assert len(cache.get_many([request.key() for request in vectors])) == 2
    context.inputs["index"] = [desk.folder / "not there yet"]
    assert sum(1 for asked in plan(context) for _ in asked.requests) == 4
