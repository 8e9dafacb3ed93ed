"""Examples before the input, in their order, as many as there is room for."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError
from tests.tiny import make_tiny_model
from tests.unit.tasks.desk import Desk

RULE = "few_shot_prompt"
ASK: dict[str, Any] = {"model": "teacher", "inputs": "text", "input_examples": "in", "output_examples": "out"}
PAIRS = {"in": ["a", "b" * 30, "c"], "out": ["1", "2", "3"]}


def few_shot(desk: Desk, texts: list[str], pairs: dict[str, Any] = PAIRS, **params: Any) -> list[str]:
    inputs = {"table": desk.table({"text": texts}), "examples": desk.table(pairs, "examples.parquet")}
    return desk.run(RULE, inputs, **{**ASK, "keep": ["prompts"], **params})["table"]["prompts"].to_list()


def test_the_layout_is_instruction_examples_input_and_the_label_to_go_on_after(desk: Desk) -> None:
    (prompt,) = few_shot(desk, ["x"], {"in": ["a", "b"], "out": ["1", "2"]}, instruction="Count.")
    assert prompt == "Count.\nInput: a\nOutput: 1\nInput: b\nOutput: 2\nInput: x\nOutput:"
    (bare,) = few_shot(desk, ["x"], {"in": ["a"], "out": ["1"]}, input_label=None, output_label=None, separator=" | ")
    assert bare == "a | 1 | x | "


def test_at_most_so_many_examples_stand_in_the_prompt(desk: Desk) -> None:
    (prompt,) = few_shot(desk, ["x"], max_examples=1)
    assert prompt == "Input: a\nOutput: 1\nInput: x\nOutput:"
    assert desk.facts["examples"] == {"given": 3, "fewest": 1, "most": 1}


def test_what_is_too_long_is_left_out_and_a_shorter_one_after_it_still_fits(desk: Desk) -> None:
    whole = "Input: a\nOutput: 1\nInput: c\nOutput: 3\nInput: x\nOutput:"
    # three bytes are a token of a service; four tokens are the message, eight the reply
    length = -(-len(whole) // 3) + 4 + 8
    assert few_shot(desk, ["x"], context_length=length, max_tokens=8) == [whole]
    (shorter,) = few_shot(desk, ["x"], context_length=length - 1, max_tokens=8)
    assert shorter == "Input: a\nOutput: 1\nInput: x\nOutput:"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"context_length": 20, "max_tokens": 8}, "room for"),
        ({"context_length": 20, "max_tokens": 30}, "the reply and the system message take"),
        ({"context_length": 20}, "how much of it the reply takes"),
        ({"min_examples": 4}, "there must be 4"),
        ({"min_examples": 3, "max_examples": 2}, "at least 3 examples, and at most 2"),
        ({"input_examples": "im"}, "no column 'im'"),
    ],
)
def test_what_is_wrong_is_found_before_a_call_is_made(desk: Desk, params: dict[str, Any], said: str) -> None:
    with pytest.raises((SettingsError, TableError), match=said):
        few_shot(desk, ["x", "y" * 30], **params)
    assert desk.sent() == 0


def test_an_input_that_does_not_fit_is_named_by_its_row_and_never_cut(desk: Desk) -> None:
    with pytest.raises(TableError, match="without examples") as caught:
        few_shot(desk, ["x", "y" * 300], context_length=100, max_tokens=8)
    assert "row 1 (from 0)" in caught.value.where


def test_without_examples_the_input_stands_alone(desk: Desk) -> None:
    none = {"in": pl.Series([], dtype=pl.String), "out": pl.Series([], dtype=pl.String)}
    assert few_shot(desk, ["x"], none) == ["Input: x\nOutput:"]


def test_a_tokenizer_may_be_given(desk: Desk) -> None:
    folder = make_tiny_model(desk.folder / "model", vocabulary=260)
    inputs = {
        "table": desk.table({"text": ["x"]}),
        "examples": desk.table(PAIRS, "examples.parquet"),
        "tokenizer": folder / "tokenizer.json",
    }
    whole = "Input: a\nOutput: 1\nInput: c\nOutput: 3\nInput: x\nOutput:"
    given = {**ASK, "keep": ["prompts"], "max_tokens": 8}
    table = desk.run(RULE, inputs, **given, context_length=len(whole) + 12)["table"]
    assert table["prompts"].to_list() == [whole]
    with pytest.raises(SettingsError, match="no tokenizer"):
        desk.run(RULE, inputs | {"tokenizer": desk.file("t.json", "{}")}, **given, context_length=90)
