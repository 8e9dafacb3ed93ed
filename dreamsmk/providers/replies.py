"""What the replies of all providers have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})


def utc_now() -> str:
    """Returns the time as it stands in a `Response`: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def cut_at_stop(text: str, stop: Iterable[str]) -> str | None:
    """Returns the part of a text before the first of the stop texts, or None where none of them is in it."""
    found = [place for word in stop if word and (place := text.find(word)) >= 0]
    return text[: min(found)] if found else None


def sample_seed(seed: int | None, sample: int) -> int | None:
    """Returns the seed that a service is sent: the given one for the first sample, another for each further one.

    Independent samples of one request must not share a seed, or a service would answer each with the same text.
    """
    if seed is None or sample == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed} {sample}".encode()).digest()[:4], "big") >> 1
