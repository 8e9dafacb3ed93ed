"""Draws are pure functions of their parts."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.tasks.recipes.drawing import drawn_item, drawn_number, drawn_places


def test_draws_never_change() -> None:
    assert "".join(drawn_item("abcde", 0, number) for number in range(8)) == "caaededc"
    assert drawn_places(4, 10, "seeds", 1) == [4, 7, 5, 8]


def test_each_item_is_drawn_about_as_often() -> None:
    counted = Counter(drawn_item("abcd", 7, f"text {number}") for number in range(4000))
    assert all(900 < count < 1100 for count in counted.values())


def test_parts_do_not_run_into_each_other() -> None:
    assert drawn_number("ab", "c") != drawn_number("a", "bc")
    assert drawn_number(1) != drawn_number("1")


@given(st.integers(0, 20), st.integers(0, 20), st.integers(-(2**53) + 1, 2**53 - 1))
def test_places_are_different_and_all_of_them_where_there_are_few(count: int, size: int, seed: int) -> None:
    places = drawn_places(count, size, seed)
    assert len(places) == len(set(places)) == min(count, size)
    assert set(places) <= set(range(size))
