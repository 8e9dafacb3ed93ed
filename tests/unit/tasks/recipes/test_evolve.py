"""Instructions evolve round by round, each row by itself, and what failed is seen."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.recipes.planned import in_pieces, planned
from tests.wire import WireServer

RULE = "evolve"
ASK: dict[str, Any] = {"model": "teacher", "inputs": "text"}
COLUMNS = ["instruction", "round", "operation", "parent", "evolved", "eliminated"]
HARDER = [f"Name {number} rivers, and where each of them ends." for number in ("two", "three", "four", "five", "six")]


def evolve(desk: Desk, texts: Any, **params: Any) -> pl.DataFrame:
    return desk.run(RULE, {"table": desk.table({"text": texts})}, **{**ASK, **params})["table"]


def replying(*replies: str) -> ModelSpec:
    return ModelSpec(provider="echo", model="echo", options={"replies": list(replies)})


def test_each_row_becomes_its_rounds_each_from_the_one_before(desk: Desk) -> None:
    desk.specs["teacher"] = replying(*HARDER)
    table = evolve(desk, ["Name a river.", "Name a lake."], rounds=2)
    assert table.columns == COLUMNS
    assert table["instruction"].to_list() == ["Name a river."] * 2 + ["Name a lake."] * 2
    assert table["round"].to_list() == [1, 2, 1, 2]
    first, second = table.rows(named=True)[:2]
    assert first["parent"] == "Name a river."
    assert first["eliminated"] is None
    assert second["parent"] == first["evolved"]
    assert desk.facts["rows"] == 4


def test_the_operation_is_drawn_from_the_row_the_round_and_the_seed_alone(desk: Desk) -> None:
    texts = [f"Name river {number}." for number in range(40)]
    operations = evolve(desk, texts)["operation"].to_list()
    assert set(operations) == {"constraints", "deepening", "concretizing", "reasoning", "breadth"}
    assert evolve(desk, texts[::-1])["operation"].to_list() == operations[::-1]
    assert desk.sent() == 0
    assert evolve(desk, texts, draw_seed=1)["operation"].to_list() != operations


def test_a_table_in_pieces_asks_for_nothing_more(desk: Desk) -> None:
    desk.specs["teacher"] = replying(*HARDER, "Sorry, no.")
    texts = [f"Name river {number}." for number in range(8)]
    whole = evolve(desk, texts, rounds=3).to_dicts()
    assert in_pieces(desk, RULE, texts, **ASK, rounds=3) == (whole, 0)


def test_what_failed_stays_with_its_reason_and_the_next_round_starts_before_it(desk: Desk) -> None:
    desk.specs["teacher"] = replying("I cannot do that.")
    table = evolve(desk, ["Name a river."], rounds=3)
    assert table["eliminated"].to_list() == ["refusal"] * 3
    assert table["evolved"].to_list() == ["I cannot do that."] * 3
    assert table["parent"].to_list() == ["Name a river."] * 3
    assert desk.facts["eliminated"] == {"refusal": 3}


def test_a_round_that_comes_to_the_same_prompt_asks_for_another_sample(desk: Desk) -> None:
    desk.specs["teacher"] = replying("I cannot do that.")
    evolve(desk, ["Name a river."], rounds=3, operations=["deepening"])
    assert desk.sent() == 3


def test_operations_can_be_chosen_and_added(desk: Desk) -> None:
    methods = {"rhyme": "Ask for the answer in rhymes."}
    table = evolve(desk, ["Name a river."], operations=["rhyme"], methods=methods, keep=["prompts"])
    assert table["operation"].to_list() == ["rhyme"]
    assert " Ask for the answer in rhymes.\nIt must" in table["prompts"][0]
    texts = [str(number) for number in range(60)]
    assert set(evolve(desk, texts, methods=methods)["operation"]) > {"rhyme", "breadth"}


def test_an_operation_that_is_not_there_is_found_before_a_call(desk: Desk) -> None:
    with pytest.raises(SettingsError, match="did you mean 'deepening'"):
        evolve(desk, ["a"], operations=["deepenning"])
    assert desk.sent() == 0


def test_a_judge_eliminates_what_brings_nothing_new(desk: Desk, wire: WireServer) -> None:
    wire.reply("ask for the same thing", "Same.")
    wire.reply("Name a river.", "Name any river you like.")
    table = evolve(desk, ["Name a river."], judge="teacher")
    assert table["eliminated"].to_list() == ["equal"]
    assert wire.count == 2


def test_a_judge_is_not_asked_about_what_failed_already(desk: Desk, wire: WireServer) -> None:
    wire.reply("ask for the same thing", "different")
    wire.reply("Name a river.", "I cannot do that.")
    wire.reply("Name a lake.", "Name a lake of Finland.")
    table = evolve(desk, ["Name a river.", "Name a lake."], judge="teacher")
    assert table["eliminated"].to_list() == ["refusal", None]
    assert wire.count == 3


def test_a_row_whose_call_failed_says_so(desk: Desk) -> None:
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"fail_on": "poison"})
    table = evolve(desk, ["a", "poison"], rounds=2, max_failures=2, keep=["model"])
    assert table.columns == [*COLUMNS[:4], "model", *COLUMNS[4:], "failure"]
    assert table["eliminated"].to_list()[2:] == ["failed", "failed"]
    assert table["evolved"].to_list()[2:] == [None, None]
    assert table["failure"].null_count() == 2
    with pytest.raises(ProviderError, match="1 of 2 rows"):
        evolve(desk, ["a", "poison"], rounds=2, max_failures=1)


def test_an_empty_table_keeps_its_columns_and_calls_nobody(desk: Desk) -> None:
    table = evolve(desk, pl.Series([], dtype=pl.String), rounds=2, keep=["generations"])
    assert table.schema == {
        **dict.fromkeys(COLUMNS, pl.String()),
        "round": pl.Int64(),
        "generations": pl.String(),
    }
    assert desk.sent() == 0


def test_columns_are_carried_and_renamed(desk: Desk) -> None:
    table = desk.table({"text": ["a", "b"], "id": [1, 2]})
    renamed = {"evolved": "instruction", "instruction": "seed"}
    made = desk.run(RULE, {"table": table}, **ASK, rounds=2, carry=["id"], columns=renamed)["table"]
    assert made.columns == ["id", "seed", "round", "operation", "parent", "instruction", "eliminated"]
    assert made["id"].to_list() == [1, 1, 2, 2]


def test_the_plan_is_the_first_round_and_as_many_calls_in_each_later_one(desk: Desk) -> None:
    inputs = {"table": desk.table({"text": ["Name a river.", "Name a lake."]})}
    passes = planned(desk, RULE, inputs, **ASK, rounds=3, judge="student")
    assert [len(requests) for requests in passes] == [2] * 6
    evolve(desk, ["Name a river.", "Name a lake."])
    assert desk.sent() == 2
    evolve(desk, ["Name a river.", "Name a lake."], keep=["prompts"])
    assert desk.sent() == 0
    prompts = desk.run(RULE, inputs, **ASK, keep=["prompts"])["table"]["prompts"].to_list()
    assert [request.messages[0].content for request in passes[0]] == prompts
