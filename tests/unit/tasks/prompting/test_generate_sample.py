"""What several models write for the same rows, side by side."""

from __future__ import annotations

from typing import Any

import polars
import pytest

from dreamsmk.errors import SettingsError
from tests.unit.tasks.desk import Desk

RULE = "generate_sample"
BOTH = {"before": "teacher", "after": "student"}
ROWS = {"question": ["1+1?", "2+2?", "3+3?"], "answer": ["2", "4", "6"]}


def sample(desk: Desk, **params: Any) -> polars.DataFrame:
    given = {"models": BOTH, "inputs": "question", **params}
    return desk.run(RULE, {"table": desk.table(ROWS)}, **given)["table"]


def test_every_model_has_a_column_beside_the_input(desk: Desk) -> None:
    table = sample(desk)
    assert table.columns == ["question", "before", "after"]
    assert table["question"].to_list() == ROWS["question"]
    assert desk.sent() == 6
    assert desk.facts["rows"] == 3


def test_the_expected_output_stands_between_where_it_is_asked_for(desk: Desk) -> None:
    table = sample(desk, outputs="answer")
    assert table.columns == ["question", "answer", "before", "after"]
    assert table["answer"].to_list() == ROWS["answer"]


def test_only_the_first_n_rows_are_shown(desk: Desk) -> None:
    assert sample(desk, n=2)["question"].to_list() == ["1+1?", "2+2?"]
    assert desk.sent() == 4
    assert sample(desk, n=99).height == 3
    assert desk.sent() == 2
    table = desk.table({"question": ["1+1?", "2+2?", None]})
    rows = desk.run(RULE, {"table": table}, models={"before": "teacher"}, inputs="question", n=2)["table"]
    assert rows.height == 2, "what comes after the rows that are shown does not matter"


def test_every_model_gets_the_very_same_prompts(desk: Desk) -> None:
    for row in sample(desk, instruction="Answer.").iter_rows(named=True):
        prompt = f"Input: {row['question']}\n\nInstruction: Answer."
        assert row["before"].endswith(f": {prompt}")
        assert row["after"].endswith(f": {prompt}")
        assert row["before"] != row["after"], "the keys differ by the model"


def test_without_an_instruction_the_text_stands_alone(desk: Desk) -> None:
    assert sample(desk, n=1)["before"][0].endswith(": 1+1?")


def test_the_calls_are_those_of_process_with_prompt(desk: Desk) -> None:
    table = desk.table(ROWS)
    desk.run("process_with_prompt", {"table": table}, model="teacher", inputs="question", instruction="Answer.")
    sample(desk, models={"before": "teacher"}, instruction="Answer.")
    assert desk.sent() == 0


def test_two_columns_of_one_name_are_an_error_before_a_call_is_made(desk: Desk) -> None:
    for wrong in ({"models": {"question": "teacher"}}, {"outputs": "question"}):
        with pytest.raises(SettingsError, match="two columns would be called"):
            sample(desk, **wrong)
        assert desk.sent() == 0
