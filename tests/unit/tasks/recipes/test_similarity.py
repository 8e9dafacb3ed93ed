"""ROUGE-L between instructions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.tasks.recipes.similarity import LikeTexts, words_of


def like(*texts: str) -> LikeTexts:
    pool = LikeTexts()
    for text in texts:
        pool.add(text)
    return pool


def longest_common(a: list[str], b: list[str]) -> int:
    """The length of the longest common subsequence, as textbooks have it."""
    row = [0] * (len(b) + 1)
    for word in a:
        above, row = row, [0]
        for place, other in enumerate(b):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[-1]))
    return row[-1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Name a River!", ["name", "a", "river"]),
        ("snake_case, 3.5 km", ["snake", "case", "3", "5", "km"]),
        ("日本の川", ["日", "本", "の", "川"]),
        ("강 이름 하나", ["강", "이름", "하나"]),
        ("Öl für Äpfel", ["öl", "für", "äpfel"]),
        ("…", []),
    ],
)
def test_words_are_those_of_the_script(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.lists(st.sampled_from("abcde"), min_size=1), st.lists(st.sampled_from("abcde"), min_size=1))
def test_the_measure_is_rouge_l(a: list[str], b: list[str]) -> None:
    _, similarity = like(" ".join(a)).nearest(" ".join(b))
    assert similarity == pytest.approx(2 * longest_common(a, b) / (len(a) + len(b)))


def test_the_nearest_is_named_and_of_several_the_first() -> None:
    pool = like("write a poem", "name a river", "name a lake")
    assert pool.nearest("Name a river!") == ("name a river", 1.0)
    nearest, similarity = pool.nearest("name a hill")
    assert (nearest, round(similarity, 3)) == ("name a river", 0.667)
    assert pool.nearest("whatever") == (None, 0.0)
    assert LikeTexts().nearest("whatever") == (None, 0.0)
