"""Rules that treat each row by itself make the same of it wherever it stands, however often, in whatever table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamsmk.settings import ModelSpec
from dreamsmk.smk.meta import load_meta
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


def test_these_are_the_rules_that_can_be_made_in_shards() -> None:
    assert {rule: load_meta(rule).row_wise for rule in RULES} == dict.fromkeys(RULES, "table")
    assert load_meta("self_instruct").row_wise is None
