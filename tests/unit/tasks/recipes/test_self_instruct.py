"""New instructions come from seeds, round by round, the same in every run."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError
from dreamsmk.settings import ModelSpec
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.recipes.instruction_lists import EXCLUDED
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.recipes.planned import planned
from tests.wire import WireServer

RULE = "self_instruct"
SEEDS = [f"Seed task {word}." for word in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")]
ASK: dict[str, Any] = {"model": "teacher", "inputs": "text", "n": 4, "per_call": 2, "calls_per_round": 2}
COLUMNS = ["instruction", "nearest", "similarity", "round", "call"]


@pytest.fixture
def writer(desk: Desk, wire: WireServer) -> WireServer:
    """A teacher that writes two new instructions in each call, by the number of the call."""
    wire.reply(
        "beginning of a list", "9. Invent w{number} x{number} y{number}.\n10. Tell p{number} q{number} r{number}."
    )
    desk.specs["teacher"] = ModelSpec(**{**_fields(desk.specs["teacher"]), "max_concurrency": 1})
    return wire


def _fields(spec: ModelSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in ("provider", "model", "base_url", "max_retries")}


def instruct(desk: Desk, seeds: list[str] = SEEDS, **params: Any) -> dict[str, pl.DataFrame]:
    table = {"table": desk.table({"text": seeds})}
    return desk.run(RULE, table, ("table", "rejected"), **{**ASK, **params})


def test_new_instructions_come_in_order_with_what_they_are_like(desk: Desk, writer: WireServer) -> None:
    table = instruct(desk)["table"]
    assert table.columns == COLUMNS
    assert table["instruction"].to_list() == [
        "Invent w1 x1 y1.",
        "Tell p1 q1 r1.",
        "Invent w2 x2 y2.",
        "Tell p2 q2 r2.",
    ]
    assert table["round"].to_list() == [1] * 4
    assert table["call"].to_list() == [1, 1, 2, 2]
    assert table["similarity"].to_list() == [0, 0, 0.25, 0.25]
    assert table["nearest"].to_list() == [None, None, "Invent w1 x1 y1.", "Tell p1 q1 r1."]


def test_later_rounds_show_some_of_what_was_written(desk: Desk, writer: WireServer) -> None:
    table = instruct(desk, n=8, keep=["prompts", "model"])["table"]
    assert table.columns == ["prompts", "model", *COLUMNS]
    first, second = table["prompts"][0], table["prompts"][7]
    assert first.count("Seed task") == 8
    assert second.count("Seed task") == 6
    shown = [line.partition(". ")[2] for line in second.splitlines() if line[:1].isdigit()]
    assert sum(line in table["instruction"][:4].to_list() for line in shown) == 2


def test_every_run_asks_the_same_and_more_pays_for_the_new_alone(desk: Desk, writer: WireServer) -> None:
    first = instruct(desk)["table"]
    assert desk.sent() == 2
    assert instruct(desk, SEEDS[::-1] + SEEDS[:2])["table"].equals(first), "order and repeats do not matter"
    assert desk.sent() == 0
    second = instruct(desk, n=6)["table"]
    assert desk.sent() == 2
    assert second[:4].equals(first)
    instruct(desk, draw_seed=1)
    assert desk.sent() == 2


def test_what_is_not_taken_is_told_with_its_reason(desk: Desk, wire: WireServer) -> None:
    wire.reply("beginning of a list", "9. Seed task beta!\n10. Draw a cat now.")
    with pytest.raises(ProviderError, match="0 of 4 instructions came in 2 rounds; not taken: 4 similar, 4 excluded"):
        instruct(desk, max_rounds=2)
    tables = instruct(desk, max_rounds=2, at_least=0)
    assert tables["table"].height == 0
    assert tables["table"].schema == {
        "instruction": pl.String(),
        "nearest": pl.String(),
        "similarity": pl.Float64(),
        "round": pl.Int64(),
        "call": pl.Int64(),
    }
    rejected = tables["rejected"]
    assert rejected.row(0, named=True) == {
        "instruction": "Seed task beta!",
        "reason": "similar",
        "nearest": "Seed task beta.",
        "similarity": 1.0,
        "round": 1,
        "call": 1,
    }
    assert desk.facts["rejected"] == {"excluded": 4, "similar": 4}


def test_how_like_is_too_like_can_be_set(desk: Desk, writer: WireServer) -> None:
    table = instruct(desk, similarity=0.2, n=2, max_rounds=3, at_least=2)["table"]
    assert table.height == 2
    with pytest.raises(ProviderError, match="2 of 3"):
        instruct(desk, similarity=0.2, n=3, max_rounds=3)


def test_a_model_that_repeats_itself_is_not_asked_for_ever(desk: Desk) -> None:
    with pytest.raises(ProviderError, match="instructions came in 2 rounds"):
        instruct(desk, n=1000, max_rounds=2)
    assert desk.sent() == 4


def test_calls_that_fail_are_left_out(desk: Desk, writer: WireServer) -> None:
    writer.fail("status", status=400, times=1)
    with pytest.raises(ProviderError, match="got no reply"):
        instruct(desk)
    writer.fail("status", status=400, times=1)
    table = instruct(desk, n=6, max_failures=1, draw_seed=3)["table"]
    assert table["round"].to_list() == [1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("params", "said"),
    [({"at_least": 5}, "no more than 4"), ({"shown_seeds": 9}, "more seeds are shown")],
)
def test_numbers_that_do_not_go_together_are_found_before_a_run(params: dict[str, Any], said: str) -> None:
    given = {"at_least": None, "n": 4, "shown": 8, "shown_seeds": 6, **params}
    columns = load_meta(RULE).load_columns()
    assert columns is not None
    with pytest.raises(SettingsError, match=said):
        columns(given, {})


def test_the_plan_is_the_first_round_and_the_size_of_later_ones(desk: Desk, writer: WireServer) -> None:
    inputs = {"table": desk.table({"text": SEEDS})}
    rounds = planned(desk, RULE, inputs, **{**ASK, "n": 9})
    assert [len(requests) for requests in rounds] == [2, 2, 2]
    table = instruct(desk, keep=["prompts"])["table"]
    assert [request.messages[0].content for request in rounds[0]] == table["prompts"].to_list()[::2]
    assert len({request.key() for requests in rounds for request in requests}) == 6


def test_the_words_that_are_not_taken_are_those_of_the_paper() -> None:
    shown = load_meta(RULE).params["properties"]["excluded"]["default"]
    assert shown == list(EXCLUDED)
