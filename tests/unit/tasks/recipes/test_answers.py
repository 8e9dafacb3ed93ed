"""Answers are read out of replies, and counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.tasks.prompting.reply_schema import ReplySchema
from dreamsmk.tasks.recipes.answers import Vote, answer_of, majority

PLAIN: dict[str, Any] = {"pattern": None, "field": None}


@pytest.mark.parametrize(
    ("text", "pattern", "answer"),
    [
        ("First this.\nThen that.\n 42 \n\n", None, "42"),
        (" \n", None, None),
        ("The answer is 41. No: the answer is 42.", r"answer is (\d+)", "42"),
        ("6 * 7 = 42", r"\d+", "42"),
        ("nothing", r"\d+", None),
        ("answer: ", r"answer:(.*)", None),
        ("answer: New\tYork  City", r"answer:(.*)", "New York City"),
        ("a or b", r"a|(b)", "b"),
        ("b or a", r"a|(b)", None),
    ],
)
def test_an_answer_is_the_last_line_or_the_last_match(text: str, pattern: str | None, answer: str | None) -> None:
    assert answer_of(text, {**PLAIN, "pattern": pattern}, None) == answer


@pytest.mark.parametrize(
    ("value", "answer"), [('"yes "', "yes"), ("42", "42"), ("true", "true"), ("[1, 2]", "[1, 2]"), ("null", None)]
)
def test_an_answer_may_be_a_field_of_the_schema(value: str, answer: str | None) -> None:
    schema = ReplySchema.of({"type": "object", "properties": {"why": {}, "it": KINDS[value]}}, where="test")
    assert answer_of(f'{{"why": "so", "it": {value}}}', {**PLAIN, "field": "it"}, schema) == answer


KINDS = {
    '"yes "': {"type": "string"},
    "42": {"type": "integer"},
    "true": {"type": "boolean"},
    "[1, 2]": {"type": "array", "items": {"type": "integer"}},
    "null": {"type": ["string", "null"]},
}


@pytest.mark.parametrize(
    ("answers", "vote"),
    [
        ([], Vote(None, 0, False)),
        ([None, None], Vote(None, 0, False)),
        (["a"], Vote(0, 1, False)),
        (["a", "b", "b"], Vote(1, 2, False)),
        (["b", "a", None, "a", "b"], Vote(0, 2, True)),
        ([None, "b", "a"], Vote(1, 1, True)),
        (["A", "b", "a"], Vote(0, 1, True)),
    ],
)
def test_the_answer_of_most_wins_and_of_several_the_first(answers: list[str | None], vote: Vote) -> None:
    assert majority(answers) == vote


def test_case_can_be_left_out_of_account() -> None:
    assert majority(["b", "A", "a"], ignore_case=True) == Vote(1, 2, False)


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=12))
def test_no_answer_has_more_votes_than_the_one_that_won(answers: list[str | None]) -> None:
    vote = majority(answers)
    given = [answer for answer in answers if answer is not None]
    assert (vote.sample is None) == (not given)
    if vote.sample is not None:
        winner = answers[vote.sample]
        assert vote.votes == answers.count(winner) == max(map(given.count, given))
        assert vote.is_tied == (sum(given.count(other) == vote.votes for other in set(given)) > 1)
        assert answers.index(winner) == vote.sample
