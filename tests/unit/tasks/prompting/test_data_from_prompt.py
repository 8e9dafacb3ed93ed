"""n samples of one instruction: distinct, stable, and paid for once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dreamsmk.errors import SettingsError
from tests.unit.tasks.desk import Desk

RULE = "data_from_prompt"
ASK: dict[str, Any] = {"model": "teacher", "instruction": "Write a headline."}


def samples(desk: Desk, n: int, **params: Any) -> list[str]:
    generations: list[str] = desk.run(RULE, {}, n=n, **{**ASK, **params})["table"]["generations"].to_list()
    return generations


def test_n_samples_are_n_calls_with_keys_of_their_own(desk: Desk) -> None:
    written = samples(desk, 5)
    assert len(set(written)) == 5, "the echo begins with the key"
    assert desk.sent() == 5
    assert desk.facts["rows"] == 5


def test_asking_again_is_free_and_gives_the_same(desk: Desk) -> None:
    assert samples(desk, 5) == samples(desk, 5)
    assert desk.sent() == 0


def test_raising_n_pays_for_the_new_ones_alone_and_keeps_the_old(desk: Desk) -> None:
    before = samples(desk, 3)
    assert samples(desk, 5)[:3] == before
    assert desk.sent() == 2


def test_lowering_n_is_free(desk: Desk) -> None:
    before = samples(desk, 5)
    assert samples(desk, 2) == before[:2]
    assert desk.sent() == 0


def test_samples_are_drawn_at_temperature_one_unless_someone_says_otherwise(desk: Desk) -> None:
    plain = samples(desk, 2)
    assert desk.facts["sampling"] == {"temperature": 1.0}
    assert samples(desk, 2, temperature=1.0) == plain
    assert samples(desk, 2, temperature=0) != plain
    assert "sampling" not in desk.facts
    desk.specs["teacher"] = dataclasses.replace(desk.specs["teacher"], temperature=0.5)
    cool = samples(desk, 2)
    assert "sampling" not in desk.facts
    assert samples(desk, 2, temperature=0.5) == cool


@pytest.mark.parametrize(
    "change", [{"instruction": "Other."}, {"system_prompt": "Be brief."}, {"max_tokens": 9}, {"extra": {"x": 1}}]
)
def test_whatever_changes_the_call_is_paid_for(desk: Desk, change: dict[str, Any]) -> None:
    samples(desk, 2)
    samples(desk, 2, **change)
    assert desk.sent() == 2


def test_the_instruction_may_stand_in_a_file_and_its_surrounding_white_space_does_not_count(desk: Desk) -> None:
    from_param = samples(desk, 2)
    path = desk.file("prompt.txt", "\n  Write a headline. \n\n")
    table = desk.run(RULE, {"instruction": path}, model="teacher", n=2)["table"]
    assert table["generations"].to_list() == from_param
    assert desk.sent() == 0
    assert desk.facts["prompts"] == {"instruction": "Write a headline."}


@pytest.mark.parametrize(
    ("given", "in_file", "said"),
    [
        (None, None, "missing"),
        ("Write.", "Write.", "both as a parameter and as a file"),
        (" \n", None, "the instruction is empty"),
        (None, " \n", "the instruction is empty"),
    ],
)
def test_the_instruction_is_given_once_and_is_not_empty(
    desk: Desk, given: str | None, in_file: str | None, said: str
) -> None:
    inputs = {} if in_file is None else {"instruction": desk.file("prompt.txt", in_file)}
    with pytest.raises(SettingsError, match=said):
        desk.run(RULE, inputs, model="teacher", n=1, instruction=given)
    assert desk.sent() == 0


def test_what_is_kept_of_a_call_becomes_columns_in_a_fixed_order(desk: Desk) -> None:
    table = desk.run(RULE, {}, n=2, keep=["finish_reason", "prompts", "model"], max_tokens=1, **ASK)["table"]
    assert table.columns == ["prompts", "model", "finish_reason", "generations"]
    assert table["prompts"].to_list() == ["Write a headline."] * 2
    assert table["model"].to_list() == ["teacher"] * 2
    assert table["finish_reason"].to_list() == ["length"] * 2


def test_columns_are_renamed(desk: Desk) -> None:
    renamed = {"generations": "headline", "model": "author"}
    table = desk.run(RULE, {}, n=1, keep=["model"], columns=renamed, **ASK)["table"]
    assert table.columns == ["author", "headline"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"generation": "x"}, "did you mean 'generations'"),
        ({"prompts": "x"}, "no column 'prompts'"),
        ({"model": "generations"}, "two columns would be called"),
    ],
)
def test_a_wrong_new_name_is_found_before_a_call_is_made(desk: Desk, columns: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        desk.run(RULE, {}, n=1, keep=["model"], columns=columns, **ASK)
    assert desk.sent() == 0
