"""Which of two texts is better: the order is a coin of the row, and verdicts are told by column."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

ROWS = 64
PAIRS = {"a": [f"left {n}" for n in range(ROWS)], "b": [f"right {n}" for n in range(ROWS)], "n": list(range(ROWS))}


def judge(desk: Desk, table: dict[str, Any] = PAIRS, **params: Any) -> pl.DataFrame:
    given = {"model": "teacher", "a": "a", "b": "b", **params}
    return desk.run("judge_pairs_with_prompt", {"table": desk.table(table)}, **given)["table"]


def test_the_layout_and_the_question(desk: Desk) -> None:
    table = judge(desk, {"a": ["x"], "b": ["y"]}, randomize_order=False, keep=["prompts"])
    question = "Which input is better? Answer with Input A, Input B or Tie, and nothing else."
    assert table["prompts"].to_list() == [f"Input A: x\n\nInput B: y\n\nInstruction: {question}"]
    table = judge(desk, {"a": ["x"], "b": ["y"]}, randomize_order=False, keep=["prompts"], tie=None)
    assert "Input A or Input B, and" in table["prompts"][0]


def test_a_judge_that_always_takes_the_first_is_seen_through(desk: Desk, wire: WireServer) -> None:
    wire.reply("", "Input A")
    table = judge(desk)
    assert table.columns == ["a", "b", "n", "judgement", "is_swapped"]
    assert 16 < table["is_swapped"].sum() < 48, "the coin is fair"
    expected = ["b" if swapped else "a" for swapped in table["is_swapped"]]
    assert table["judgement"].to_list() == expected
    assert desk.facts["judgements"]["first"] == ROWS


def test_a_judge_of_content_is_told_by_column_whatever_was_shown_first(desk: Desk, wire: WireServer) -> None:
    for n in range(0, ROWS, 2):
        wire.reply(f"Input A: left {n}\n", "Input A")
    wire.reply("Input A: left", "Input B")
    for n in range(0, ROWS, 2):
        wire.reply(f"Input B: left {n}\n", "Input B")
    wire.reply("Input B: left", "Input A")
    assert judge(desk)["judgement"].to_list() == ["a", "b"] * (ROWS // 2)


def test_a_row_keeps_its_order_wherever_it_stands(desk: Desk) -> None:
    whole = judge(desk)
    backwards = {name: values[::-1][:20] for name, values in PAIRS.items()}
    assert judge(desk, backwards)["is_swapped"].to_list() == whole["is_swapped"].to_list()[::-1][:20]
    assert desk.sent() == 0
    assert judge(desk, order_seed=1)["is_swapped"].to_list() != whole["is_swapped"].to_list()
    assert not judge(desk, randomize_order=False)["is_swapped"].any()


def test_ties_and_verdicts_that_cannot_be_read_are_seen_as_such(desk: Desk, wire: WireServer) -> None:
    wire.reply("left 0", "It's a tie.")
    wire.reply("left 1", "Input A and Input B")
    table = judge(desk, {"a": ["left 0", "left 1"], "b": ["r", "r"]}, repairs=0, keep=["generations"])
    assert table["judgement"].to_list() == ["tie", None]
    assert table["generations"][1] == "Input A and Input B"
    assert desk.facts["unread_replies"] == 1
    with pytest.raises(SettingsError, match="told apart"):
        judge(desk, a_label="Input B:")


def test_both_orders_agree_or_it_is_a_tie(desk: Desk, wire: WireServer) -> None:
    wire.reply("Input A: good", "Input A")
    wire.reply("Input B: good", "Input B")
    wire.reply("biased", "Input A")
    wire.reply("vague", "hm")
    table = judge(
        desk,
        {"a": ["good", "biased 1", "bad", "vague"], "b": ["bad", "biased 2", "good", "vaguer"]},
        both_orders=True,
        repairs=0,
        keep=["generations", "prompts"],
    )
    assert table.columns == ["a", "b", "judgement", "is_agreed", "prompts", "generations"]
    assert table["judgement"].to_list() == ["a", "tie", "b", None]
    assert table["is_agreed"].to_list() == [True, False, True, None]
    assert table["generations"][1].to_list() == ["Input A", "Input A"]
    assert table.schema["prompts"] == pl.List(pl.String)
    assert desk.sent() == 6, "a pair the other way round is the same two calls"


def test_a_failed_row_does_not_shift_the_others(desk: Desk, wire: WireServer) -> None:
    wire.tell("left 3\n", refusal="no")
    wire.reply("", "Input A")
    table = judge(desk, max_failures=1, fail_on=["refusal"])
    whole = ["b" if swapped else "a" for swapped in judge(desk)["is_swapped"]]
    assert table["judgement"].to_list() == [*whole[:3], None, *whole[4:]]
    assert table["failure"][3] == "refusal: the model refused: no"


def test_answers_are_judged_with_their_prompt(desk: Desk) -> None:
    inputs = {"table": desk.table({"q": ["Q"], "one": ["x"], "two": ["y"]})}
    given = {"model": "teacher", "prompts": "q", "a": "one", "b": "two", "randomize_order": False}
    table = desk.run("judge_generation_pairs_with_prompt", inputs, **given, keep=["prompts"])["table"]
    (prompt,) = table["prompts"]
    assert prompt.startswith("Prompt: Q\n\nResponse A: x\n\nResponse B: y\n\nInstruction: Which response to the prompt")
    structured = desk.run("judge_generation_pairs_with_prompt", inputs, **given, structured=True)["table"]
    assert structured["judgement"][0] in {"a", "b", "tie"}


def test_an_empty_table_keeps_its_columns_and_types(desk: Desk) -> None:
    empty = {name: pl.Series([], dtype=pl.String) for name in ("a", "b")}
    table = judge(desk, empty, both_orders=True, keep=["usage"])
    assert table.schema["judgement"] == pl.String
    assert table.schema["is_agreed"] == pl.Boolean
    assert isinstance(table.schema["usage"], pl.List)
