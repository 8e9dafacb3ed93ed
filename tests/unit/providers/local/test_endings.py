from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.providers.local.endings import Ending, StopWatch, find_ending

EOS = 0
PIECES = ["", "a", "b", "ab", " ", "ba", "c"]


def decode(tokens: Sequence[int]) -> str:
    return "".join(PIECES[token] for token in tokens)


def ending(tokens: list[int], *, limit: int = 99, stop: Sequence[str] = ()) -> Ending:
    return find_ending(tokens, decode, limit=limit, eos_ids=[EOS], stop=stop)


def test_an_end_token_ends_the_reply_and_is_counted() -> None:
    assert ending([1, 2, EOS, 1, 1]) == Ending("ab", 3, 2, "stop")


def test_a_reply_at_its_limit_ends_by_length() -> None:
    assert ending([1, 2, 1, 1], limit=3) == Ending("aba", 3, 3, "length")


def test_a_stop_text_across_tokens_is_cut_exactly() -> None:
    assert ending([6, 1, 5, 6, EOS], stop=["ab"]) == Ending("c", 3, 1, "stop")


def test_the_first_of_several_stop_texts_counts() -> None:
    assert ending([6, 2, 1, EOS], stop=["a", "b"]) == Ending("c", 2, 1, "stop")


def test_a_stop_text_after_the_end_token_does_not_count() -> None:
    assert ending([6, EOS, 1, 2], stop=["ab"]) == Ending("c", 2, 1, "stop")


@given(st.lists(st.integers(0, 6), max_size=30), st.lists(st.sampled_from(["a", "ab", "bab", " c"]), max_size=2))
def test_no_reply_holds_a_stop_text_and_what_follows_the_end_changes_nothing(
    tokens: list[int], stop: list[str]
) -> None:
    found = ending(tokens, stop=stop)
    assert not any(word in found.text for word in stop)
    assert found.token_count <= len(tokens)
    if found.finish_reason == "stop":
        assert ending([*tokens[: found.token_count], 1, 2, 3, 1], stop=stop) == found


def test_the_tokens_of_the_text_are_told_apart_from_those_of_its_end() -> None:
    assert ending([6, 4, 3, 6, 1], stop=["bc"]) == Ending("c a", 4, 3, "stop")


@given(st.lists(st.integers(1, 6), max_size=30), st.lists(st.sampled_from(["a", "ab", "bab", " c"]), max_size=2))
def test_a_stop_text_is_seen_at_the_token_that_completes_it(tokens: list[int], stop: list[str]) -> None:
    watch = StopWatch(stop, decode)
    seen = next((count for count in range(1, len(tokens) + 1) if watch.sees(tokens[:count])), None)
    found = ending(tokens, stop=stop)
    assert seen == (found.token_count if found.finish_reason == "stop" else None)
