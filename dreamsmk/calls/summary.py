"""What calls came to, in words: for the last line of a job, and for cards.

Contract: it reads the JSON of tallies as records have it, those of earlier versions too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# By the name in the tally: replies that are less than one, and rows that got none.
LACKING = {"truncated": "cut off", "refusals": "refused", "empty": "empty", "failed": "failed"}

LEAST_USD = 0.0001


# Any: JSON.
def lacking(calls: Mapping[str, Any]) -> dict[str, int]:
    """Returns how many replies were cut off, refused or empty, and how many rows failed; only what there was."""
    return {name: int(calls[name]) for name in LACKING if calls.get(name)}


def lacking_in_words(counts: Mapping[str, int]) -> str:
    """Returns such counts in words: `3 cut off, 1 refused`."""
    return ", ".join(f"{counts[name]:,} {words}" for name, words in LACKING.items() if counts.get(name))


# Any: JSON.
def calls_in_words(tallies: Iterable[Mapping[str, Any]]) -> str:
    """Returns what the calls of all models of a job came to, in one line; nothing where none was asked."""
    asked = [calls for calls in tallies if calls.get("requests")]
    return ", ".join(_parts(asked)) if asked else ""


# Any: JSON.
def _parts(asked: list[Mapping[str, Any]]) -> Iterator[str]:
    sent, retries = _sum(asked, "sent"), _sum(asked, "retries")
    yield f"{sent:,} calls, {_sum(asked, 'hits'):,} from the cache"
    if retries:
        yield f"{retries:,} retries"
    tokens = [calls.get("sent_usage") or {} for calls in asked]
    if sent:
        yield f"{_sum(tokens, 'input_tokens'):,} tokens read, {_sum(tokens, 'output_tokens'):,} written"
    if paid := [calls for calls in asked if calls.get("sent") and calls.get("prices") != "local"]:
        yield _cost(paid)
    if words := lacking_in_words({name: _sum(asked, name) for name in LACKING}):
        yield words


# Any: JSON.
def _cost(paid: list[Mapping[str, Any]]) -> str:
    """Returns what the calls cost: `$0.0123`, `price unknown`, or as much of it as is known."""
    known = [float(calls["cost_usd"]) for calls in paid if calls.get("cost_usd") is not None]
    if not known:
        return "price unknown"
    said = "less than $0.0001" if 0 < sum(known) < LEAST_USD else f"${sum(known):.4f}"
    return said if len(known) == len(paid) else f"{said} and more, of an unknown price"


def _sum(tallies: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(int(calls.get(name) or 0) for calls in tallies)
