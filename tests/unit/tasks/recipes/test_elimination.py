"""Which evolved instructions count as failed."""

from __future__ import annotations

import dataclasses

import pytest

from dreamsmk.requests import Failure, Response, Usage
from dreamsmk.tasks.recipes.elimination import fault_of
from dreamsmk.tasks.recipes.evolution_prompts import OPERATIONS, evolution_prompt, says_same

CHAIN = ["Name a river.", "Name a river of France."]


def reply(text: str) -> Response:
    return Response(text, "stop", "m", Usage(), "2024-01-01T00:00:00Z", 0.1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Name a river of France and its source.", None),
        (" name a  RIVER.\n", "unchanged"),
        ("Name a river of France.", "unchanged"),
        ("", "empty"),
        (" …?!\n", "empty"),
        ("Sorry, but I cannot do that.", "refusal"),
        ("I’m sorry, no.", "refusal"),
        ("As an AI, I have no rivers.", "refusal"),
        ("Write a letter in which you say sorry.", None),
        ("Sorry is a hard word. " + "Say why. " * 50, None),
        ("Harder version: Name two rivers.", "copied"),
        ("Turn the instruction at the end into a poem.", "copied"),
    ],
)
def test_an_evolution_fails_by_its_text(text: str, fault: str | None) -> None:
    assert fault_of(reply(text), CHAIN) == fault


def test_words_of_the_prompt_are_no_fault_where_the_instruction_has_them() -> None:
    assert fault_of(reply("Give a harder version of chess for four."), ["Give a harder version of chess."]) is None


@pytest.mark.parametrize(
    ("reason", "fault"), [("length", "cut"), ("content_filter", "refusal"), ("refusal", "refusal")]
)
def test_an_evolution_fails_by_how_it_ended(reason: str, fault: str) -> None:
    assert fault_of(dataclasses.replace(reply("Name three rivers."), finish_reason=reason), CHAIN) == fault


def test_a_row_without_a_reply_failed() -> None:
    assert fault_of(Failure("rejected", "no"), CHAIN) == "failed"


def test_every_operation_has_a_prompt_of_its_own_that_ends_with_the_instruction() -> None:
    prompts = [evolution_prompt(operation, "Do {it}.", {}) for operation in OPERATIONS]
    assert len(set(prompts)) == 5
    assert all("\n\nInstruction:\nDo {it}.\n\n" in prompt for prompt in prompts)


@pytest.mark.parametrize(
    ("said", "is_same"), [("Same.", True), ("different", False), ("Not the same, different", False), ("?", False)]
)
def test_a_judge_says_same_or_not(said: str, is_same: bool) -> None:
    assert says_same(said) == is_same
