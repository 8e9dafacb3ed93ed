"""Examples are chosen in order, what is too long is skipped, and each text is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.calls import PlannedModel
from dreamsmk.errors import SettingsError, TableError
from dreamsmk.providers import resolve_identity
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.prompting.budget import ExampleBudget, estimated_tokens
from tests.tiny import make_tiny_model
from tests.unit.tasks.desk import Desk, Notes


def context_of(desk: Desk, **params: Any) -> Context:
    given: dict[str, Any] = {"min_examples": None, "max_examples": None, "context_length": None}
    given |= {"system_prompt": None, "max_tokens": None, **params}
    return Context(given, {}, {}, desk.folder, lambda alias: planned(desk), Notes())


def planned(desk: Desk) -> PlannedModel:
    spec = desk.specs["teacher"]
    return PlannedModel("teacher", spec, resolve_identity(spec, lambda folder: "sha256:0"))


def slowly(room: int, head: str, examples: Sequence[str], tail: str, most: int) -> list[int]:
    """Counts every candidate as a whole."""
    chosen: list[int] = []
    for index in range(len(examples)):
        texts = [head, *(examples[i] for i in [*chosen, index]), tail]
        if len(chosen) < most and estimated_tokens("".join(texts)) <= room:
            chosen.append(index)
    return chosen


@given(
    st.integers(0, 60),
    st.text(max_size=10),
    st.lists(st.text(max_size=30), max_size=12),
    st.text(max_size=10),
    st.integers(0, 12),
)
def test_the_choice_is_that_of_counting_every_candidate_as_a_whole(
    room: int, head: str, examples: list[str], tail: str, most: int
) -> None:
    budget = ExampleBudget(room, estimated_tokens, least=0, most=most)
    if estimated_tokens(head + tail) > room:
        with pytest.raises(TableError, match="without examples"):
            budget.choose(head, examples, tail, where="row 0")
    else:
        assert budget.choose(head, examples, tail, where="row 0") == slowly(room, head, examples, tail, most)


def test_each_text_is_counted_once() -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text)

    budget = ExampleBudget(1000, count)
    examples = [f"example {number}" for number in range(50)]
    for row in range(10):
        budget.choose("head", examples, f"row {row}", where="")
    assert len(counted) == 1 + 50 + 10


def test_without_a_limit_nothing_is_counted() -> None:
    def count(text: str) -> int:
        raise AssertionError(text)

    assert ExampleBudget(None, count, most=2).choose("", ["a", "b", "c"], "", where="") == [0, 1]


def test_one_example_must_fit_where_there_are_any() -> None:
    budget = ExampleBudget(5, len)
    with pytest.raises(TableError, match="room for 0 examples, and there must be 1"):
        budget.choose("", ["too long"], "ab", where="row 3")
    assert budget.choose("", [], "ab", where="") == []
    assert ExampleBudget(5, len, least=0).choose("", ["too long"], "ab", where="") == []


def test_a_local_model_counts_by_its_own_tokenizer_and_limit(desk: Desk) -> None:
    folder = make_tiny_model(desk.folder / "model", vocabulary=260, context=120)
    desk.specs["teacher"] = ModelSpec(provider="transformers", model=str(folder), max_tokens=4)
    budget = ExampleBudget.of(context_of(desk), planned(desk))
    around = len("<user\n>\n<assistant\n")  # each mark is one token, and so is every other byte
    assert budget.room == 120 - 4 - around
    chosen = budget.choose("head", ["e" * 10] * 20, "t", where="")
    assert chosen == list(range((budget.room - 5) // 10))


def test_a_folder_that_a_job_is_going_to_make_gives_no_limit_to_a_plan(desk: Desk) -> None:
    desk.specs["teacher"] = ModelSpec(provider="transformers", model=str(desk.folder / "student"))
    assert ExampleBudget.of(context_of(desk), planned(desk)).room is None


def test_a_service_has_no_limit_that_nobody_gave(desk: Desk) -> None:
    assert ExampleBudget.of(context_of(desk), planned(desk)).room is None
    given = context_of(desk, context_length=100, max_tokens=20, system_prompt="x" * 9)
    assert ExampleBudget.of(given, planned(desk)).room == 100 - 20 - 8 - 3
    with pytest.raises(SettingsError, match="max_tokens"):
        ExampleBudget.of(context_of(desk, context_length=100), planned(desk))
