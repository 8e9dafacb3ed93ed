"""Rules that treat each row by itself make the same of it wherever it stands, however often, in whatever table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamsmk.settings import ModelSpec
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.recipes.made_rows import BATCH_ROWS
from tests.unit.tasks.desk import Desk

REPLIES = ["It is 42.", "It is 13 or so.", "Sorry, no.", "Count to 42 in steps of 7."]
RULES: dict[str, dict[str, Any]] = {
    "evolve": {"rounds": 2},
    "best_of_n": {"n": 2, "judge": {"model": "student", "rubric": "It is short."}, "all": True},
    "consistency": {"n": 3, "all": True},
}


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(["a", "b", "ä 日本", "{x}", ""]), min_size=1, max_size=6))
def test_each_row_is_treated_by_itself(desk: Desk, rule: str, texts: list[str]) -> None:
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"replies": REPLIES})
    given = {"model": "teacher", "inputs": "text", **RULES[rule]}
    made = desk.run(rule, {"table": desk.table({"text": texts})}, **given)["table"].to_dicts()
    each = len(made) // len(texts)
    for row, text in enumerate(texts):
        alone = desk.run(rule, {"table": desk.table({"text": [text]})}, **given)["table"].to_dicts()
        assert made[row * each : (row + 1) * each] == alone
        assert desk.sent() == 0


@pytest.mark.parametrize(
    ("rule", "given"), [("best_of_n", {"length": "longest"}), ("best_of_n", RULES["best_of_n"]), ("consistency", {})]
)
def test_rows_that_are_written_in_several_parts_keep_their_place(desk: Desk, rule: str, given: dict[str, Any]) -> None:
    rows = range(BATCH_ROWS + 3)
    table = desk.table({"text": [f"text {row % 7}" for row in rows], "row": rows})
    params = {"model": "teacher", "inputs": "text", "carry": ["row"], "keep": ["prompts"], **given, "n": 1}
    made = desk.run(rule, {"table": table}, **params)["table"]
    assert made["row"].to_list() == list(rows)
    assert made["prompts"].to_list() == made["inputs"].to_list() == [f"text {row % 7}" for row in rows]
    asked = made["generations" if rule == "best_of_n" else "answer"].to_list()
    assert [reply.partition(": ")[2] for reply in asked] == made["inputs"].to_list()


def test_these_are_the_rules_that_can_be_made_in_shards() -> None:
    assert {rule: load_meta(rule).row_wise for rule in RULES} == dict.fromkeys(RULES, "table")
    assert load_meta("self_instruct").row_wise is None
