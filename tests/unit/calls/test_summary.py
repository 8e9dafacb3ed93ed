"""What calls came to, in one line."""

from __future__ import annotations

from typing import Any

import pytest

from dreamsmk.calls import Tally
from dreamsmk.calls.summary import calls_in_words, lacking, lacking_in_words


def calls(**counts: Any) -> dict[str, Any]:
    usage = {"input_tokens": 1200, "output_tokens": 30}
    return {"requests": 4, "sent": 3, "hits": 1, "sent_usage": usage, "cost_usd": 0.01234, **counts}


def test_it_says_calls_tokens_and_cost() -> None:
    assert calls_in_words([calls()]) == "3 calls, 1 from the cache, 1,200 tokens read, 30 written, $0.0123"


def test_retries_and_what_is_less_than_a_reply_are_told_where_there_are_any() -> None:
    said = calls_in_words([calls(retries=7, truncated=3, refusals=1, empty=0, failed=2)])
    assert ", 7 retries, " in said
    assert said.endswith("$0.0123, 3 cut off, 1 refused, 2 failed")


def test_several_models_are_one_sum() -> None:
    said = calls_in_words([calls(), calls(sent=1000, truncated=1), {}])
    assert said == "1,003 calls, 2 from the cache, 2,400 tokens read, 60 written, $0.0247, 1 cut off"


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ([None], "price unknown"),
        ([0.0], "$0.0000"),
        ([0.00001], "less than $0.0001"),
        ([1234.5], "$1234.5000"),
        ([0.5, None], "$0.5000 and more, of an unknown price"),
    ],
)
def test_a_cost_is_never_guessed(costs: list[float | None], said: str) -> None:
    assert calls_in_words([calls(cost_usd=cost) for cost in costs]).endswith(f" written, {said}")


def test_what_runs_here_or_comes_from_the_cache_costs_nothing_to_speak_of() -> None:
    assert calls_in_words([calls(prices="local")]).endswith("30 written")
    assert calls_in_words([calls(sent=0)]) == "0 calls, 1 from the cache"
    assert calls_in_words([{}, {"requests": 0}]) == ""


def test_what_it_reads_is_what_a_tally_tells() -> None:
    tally = Tally()
    tally.add_failure("schema")
    assert lacking(tally.to_json()) == {"failed": 1}
    assert lacking({"sent": 3}) == {}
    assert lacking_in_words({"failed": 1200, "empty": 1}) == "1 empty, 1,200 failed"
