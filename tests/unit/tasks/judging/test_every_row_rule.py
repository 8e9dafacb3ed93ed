"""What holds for every rule that puts rows to a model one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamsmk.calls import CachedModel, PlannedModel, SqliteCallCache
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks import Context
from tests.unit.tasks.desk import Desk, Notes
from tests.unit.tasks.prompting.test_plan import IDENTITY, SPEC, Remembering

TEXTS = ["one", "two", "Zwei 日本", "", "one"]
TABLE = {"text": TEXTS, "other": ["x", "y", "z", "x", "w"], "n": [1, 2, None, 4, 5]}
TEMPLATE = "{{ text }}/{{ other }}{% if n %}/{{ n }}{% endif %}"
ASKED = {"template": TEMPLATE, "instruction": "Is it so?"}
PAIR = {"a": "text", "b": "other"}
FIELDS = {"type": "object", "properties": {"name": {"type": "string"}}}
RULES: dict[str, dict[str, Any]] = {
    "prompt": {"template": TEMPLATE, "carry": ["n"]},
    "process_with_prompt": {"inputs": "text", "instruction": "Say it."},
    "chat": {"turns": [TEMPLATE, "{{ reply }}?"], "carry": ["n"]},
    "few_shot_prompt": {"inputs": "text", "input_examples": "in", "output_examples": "out", "carry": ["other", "n"]},
    "filter_with_prompt": {**ASKED, "structured": True},
    "rank_with_prompt": {**ASKED, "structured": True, "sort": False},
    "judge_pairs_with_prompt": {**PAIR, "structured": True},
    "judge_generation_pairs_with_prompt": {**PAIR, "prompts": "other", "structured": True, "both_orders": True},
    "rate": {"template": TEMPLATE, "samples": 2},
    "classify": {"template": TEMPLATE, "labels": ["a", "b", "c"], "multi_label": True},
    "extract": {"template": TEMPLATE, "schema": FIELDS},
}


def inputs_of(desk: Desk, rule: str, rows: pl.DataFrame) -> dict[str, Path]:
    table = {"table": desk.table(rows.to_dict())}
    examples = {"examples": desk.table({"in": ["a"], "out": ["1"]}, "examples.parquet")}
    return table | (examples if rule == "few_shot_prompt" else {})


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, len(TEXTS) - 1), max_size=9))
def test_rows_in_any_order_and_number_come_to_the_same_each(desk: Desk, rule: str, chosen: list[int]) -> None:
    given = {"model": "teacher", **RULES[rule]}
    rows = pl.DataFrame(TABLE)
    whole = desk.run(rule, inputs_of(desk, rule, rows), **given)["table"]
    made = desk.run(rule, inputs_of(desk, rule, rows[chosen]), **given)["table"]
    assert desk.sent() == 0, "a row that was asked before costs nothing, wherever it stands"
    if rule == "filter_with_prompt":
        kept = [row in whole.rows() for row in rows.rows()]
        assert made.rows() == [rows.row(number) for number in chosen if kept[number]]
    else:
        assert made.equals(whole[chosen])


@pytest.mark.parametrize("rule", [*RULES, "data_from_attributed_prompt"])
def test_the_plan_is_what_is_asked_first(desk: Desk, rule: str) -> None:
    attributed = {"instruction": "{a}", "attributes": {"a": ["x", "y"]}, "n": 3}
    meta = load_meta(rule)
    params = {"model": "teacher", "max_failures": 2, **RULES.get(rule, attributed)}
    inputs = inputs_of(desk, rule, pl.DataFrame(TABLE)) if rule in RULES else {}

    def context(chosen: Any) -> Context:
        return Context(
            params=validate_params(meta.params, params, where=rule),
            inputs={role: [path] for role, path in inputs.items()},
            outputs={"table": desk.folder / "out.parquet"},
            scratch=desk.folder,
            model=lambda alias: chosen,
            progress=Notes(),
        )

    plan = meta.load_plan()
    assert plan is not None
    planned = PlannedModel("teacher", SPEC, IDENTITY)
    requests = [request for asked in plan(context(planned)) for request in asked.requests]
    with SqliteCallCache(desk.folder / "fresh.db") as cache:
        model = Remembering("teacher", SPEC, IDENTITY, cache)
        meta.load_task()(context(model))
        model.close()
    assert requests == model.asked
    assert isinstance(model, CachedModel)


@pytest.mark.parametrize("rule", [rule for rule in RULES if "template" in RULES[rule] or "turns" in RULES[rule]])
def test_a_rule_tells_which_columns_its_templates_read(desk: Desk, rule: str) -> None:
    meta = load_meta(rule)
    params = validate_params(meta.params, {"model": "teacher", **RULES[rule]}, where=rule)
    reads = meta.load_reads()
    assert reads is not None
    assert sorted(reads(params, {})["table"]) == ["n", "other", "text"]
    if "template" in params:
        file = desk.file("t.txt", "{{ other }}")
        assert reads(params | {"template": None}, {"template": file}) == {"table": ["other"]}


@pytest.mark.parametrize("rule", RULES)
def test_a_service_that_fails_for_one_row_fails_no_other(desk: Desk, rule: str) -> None:
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"fail_on": "Zwei"})
    most = {"judge_generation_pairs_with_prompt": 2, "rate": 2}.get(rule, 1)
    given = {"model": "teacher", "max_failures": most, **RULES[rule]}
    table = desk.run(rule, inputs_of(desk, rule, pl.DataFrame(TABLE)), **given)["table"]
    if rule == "filter_with_prompt":
        assert desk.facts["failed_rows"] == 1
        assert "Zwei 日本" not in table["text"].to_list()
    else:
        assert table["failure"].is_null().to_list() == [True, True, False, True, True]
        assert table["failure"][2] == "rejected: echo says 400: the prompt holds 'Zwei'"
