"""A verdict is read where it can be read in one way only."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.tasks.judging.verdicts import Choice, Score, Unreadable

YES_NO = Choice({"yes": ["yes"], "no": ["no"]}, {})
PAIR = Choice({"a": ["Input A"], "b": ["Input B"], "tie": ["Tie"]}, {"a": ["A"], "b": ["B"]})
FIVE = Score(1, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Yes", "yes"),
        ("**No.**", "no"),
        ("Answer: YES!", "yes"),
        ("There is no doubt.\n\nYes", "yes"),
        ("No.\nThe text says yes to nothing.", "no"),
        ("The answer is yes, since it is about food.", "yes"),
        ("Yes, there is no doubt.", None),
        ("Yes\nNo", None),
        ("Nothing eyes.", None),
        ("", None),
        ("no" * 2, None),
    ],
)
def test_one_of_two_words(text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(Unreadable):
            YES_NO.read(text)
    else:
        assert YES_NO.read(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Input A", "a"),
        ("[[B]]", "b"),
        ("Input B is better.", "b"),
        ("It's a tie.", "tie"),
        ("Input A is longer, but\nVerdict: Input B", "b"),
        ("Input A is better than Input B.", None),
        ("A better one is hard to find.", None),
        ("Input AB", None),
    ],
)
def test_labels_are_named_whole_and_letters_stand_alone(text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(Unreadable):
            PAIR.read(text)
    else:
        assert PAIR.read(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("Score: 4/5", 4),
        ("**4.5**", 4.5),
        ("I give it 3 out of 5.", 3),
        ("Rating from 1 to 5: 4", 4),
        ("Of 12 points it has some.\n2", 2),
        ("It is 3. I repeat: 3!", 3),
        ("Between 3 and 4", None),
        ("6", None),
        ("-1", None),
        ("80%", None),
        ("version 2.0.1", None),
        ("no idea", None),
    ],
)
def test_the_one_number(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(Unreadable):
            FIVE.read(text)
    else:
        assert FIVE.read(text) == value


@given(st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3)), st.text(" *_\"'\t\n", max_size=4))
def test_a_bare_number_is_itself(number: float, around: str) -> None:
    assert Score().read(f"{around}{number:.3f}{around}") == number


@given(st.text())
def test_any_text_is_read_or_is_unreadable(text: str) -> None:
    for reader in (YES_NO, PAIR, FIVE):
        with contextlib.suppress(Unreadable):
            reader.read(text)
