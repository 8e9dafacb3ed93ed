"""Rules of retrieval that treat each row by itself make the same of it wherever it stands, and however often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamsmk.settings import ModelSpec
from dreamsmk.smk.meta import load_meta, rule_names
from tests.unit.tasks.desk import Desk

TEXTS = ["one", "two words", "Zwei 日本", "", "one", "soup of words"]
TABLE = {"text": TEXTS, "other": ["x", "two", "soup", "x", "w", "one"], "n": [1, None, 3, 4, 5, 6]}
CORPUS = {"text": ["one soup", "words", "Zwei", "two"], "answer": list("ABCD")}
SHOWN = {"model": "writer", "embedder": "encoder", "inputs": "text", "k": 2, "carry": ["n"]}
RULES: dict[str, dict[str, Any]] = {
    "embed": {"model": "encoder", "texts": "text"},
    "cosine_similarity": {"model": "encoder", "a": "text", "b": "other"},
    "run_task_model": {"model": "judge", "texts": "text"},
    "retrieve": {"model": "encoder", "queries": "text", "k": 2, "take": ["answer"]},
    "rag_prompt": {**SHOWN, "documents": "text"},
    "few_shot_prompt_with_retrieval": {**SHOWN, "input_examples": "text", "output_examples": "answer"},
}


@pytest.fixture
def inputs(desk: Desk) -> dict[str, Path]:
    """What the rules read beside the table."""
    desk.specs["judge"] = ModelSpec(provider="echo", model="judge", options={"labels": ["good", "bad"]})
    corpus = desk.table(CORPUS, "corpus.parquet")
    desk.run("index", {"table": corpus}, ("index",), column="text", model="encoder", normalize=True)
    index = (desk.folder / "made_index").rename(desk.folder / "corpus.index")
    return {"index": index, "corpus": corpus, "examples": corpus}


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(st.integers(0, len(TEXTS) - 1), max_size=9))
def test_rows_in_any_order_and_number_come_to_the_same_each(
    desk: Desk, inputs: dict[str, Path], rule: str, chosen: list[int]
) -> None:
    rows, roles = pl.DataFrame(TABLE), load_meta(rule).inputs
    beside = {role: path for role, path in inputs.items() if role in roles}
    whole = desk.run(rule, {"table": desk.table(rows), **beside}, **RULES[rule])["table"]
    made = desk.run(rule, {"table": desk.table(rows[chosen]), **beside}, **RULES[rule])["table"]
    # without a text, what a model gives is found out by a call of its own, once
    assert desk.sent() <= (0 if chosen else 1)
    assert made.equals(whole[chosen])
    assert made.schema == whole.schema


def test_no_row_wise_rule_is_without_such_a_test() -> None:
    from tests.unit.tasks.judging import test_every_row_rule
    from tests.unit.tasks.recipes import test_row_wise
    from tests.unit.tasks.shaping import test_properties

    tested = {*RULES, *test_every_row_rule.RULES, *test_row_wise.RULES, *test_properties.ROW_WISE}
    assert {rule for rule in rule_names() if load_meta(rule).row_wise} <= tested
