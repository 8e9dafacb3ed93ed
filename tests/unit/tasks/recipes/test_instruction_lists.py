"""Instructions are read out of the list that a model goes on with."""

from __future__ import annotations

import pytest

from dreamsmk.requests import Response, Usage
from dreamsmk.tasks.recipes.instruction_lists import EXCLUDED, fault_of_instruction, list_prompt, listed


def reply(text: str, finish_reason: str = "stop") -> Response:
    return Response(text, finish_reason, "m", Usage(), "2024-01-01T00:00:00Z", 0.1)


def test_the_prompt_is_a_list_that_breaks_off() -> None:
    prompt = list_prompt(["Name a river.", "Write\na poem."], 3)
    assert prompt.endswith("\n\n1. Name a river.\n2. Write a poem.\n3.")
    assert "write 3 more, numbered 3 to 5" in prompt


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("3. Do this.\n4. Do that.", ["Do this.", "Do that."]),
        (" Do this.\n4. Do that.", ["Do this.", "Do that."]),
        ("Here they are:\n\n3. Do this.\n4. Do that.", ["Do this.", "Do that."]),
        ("1. Do this.\n2. Do that.", ["Do this.", "Do that."]),
        ("**3.** Do this.\n- Task 4: Do that.\n5) And *this*.", ["Do this.", "Do that.", "And *this*."]),
        ("3. Do this:\n1. first\n2. then\n4. Do that.", ["Do this: 1. first 2. then", "Do that."]),
        ("3.\n4. Do that.", ["Do that."]),
        ("3. Add up:\n4.5 and 6.\n4. Do that.", ["Add up: 4.5 and 6.", "Do that."]),
        ("", []),
        ("3. 日本の川を挙げよ。\n4. Do 3.5 km.", ["日本の川を挙げよ。", "Do 3.5 km."]),
    ],
)
def test_a_reply_is_read_by_its_numbers(text: str, items: list[str]) -> None:
    assert listed(reply(text), 3) == items


def test_of_a_reply_that_was_cut_off_the_last_is_left_out() -> None:
    assert listed(reply("3. Do this.\n4. Do th", "length"), 3) == ["Do this."]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Name a river of France.", None),
        ("Go!", "short"),
        ("word " * 151, "long"),
        ("Draw a cat in a hat.", "excluded"),
        ("Drawing conclusions is hard: why?", None),
        ("Please go to the shop.", "excluded"),
        ("/ hello you there", "symbol"),
        ('"To be or not to be": who says it?', None),
        ("Write a program that counts.", "program"),
        ("日本の川を挙げよ", None),
    ],
)
def test_what_is_no_task_for_a_model_of_text_is_found(text: str, reason: str | None) -> None:
    assert fault_of_instruction(text, EXCLUDED) == reason
