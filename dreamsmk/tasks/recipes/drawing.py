"""Choices that look random and are pure functions of what they are drawn from.

Contract: a draw is the same on every machine and for ever, and does not depend on what was drawn before: integer
arithmetic over SHA-256 of the canonical JSON of its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from dreamsmk.hashing import canonical_bytes, digest_bytes

T = TypeVar("T")
# What a part may be.
Part = str | int


def drawn_number(*parts: Part) -> int:
    """Returns a number from 0 to 2^256 - 1."""
    return int(digest_bytes(canonical_bytes(list(parts)), "sha256").partition(":")[2], 16)


def drawn_item(items: Sequence[T], *parts: Part) -> T:
    """Returns one of some items, each as likely as the others."""
    return items[drawn_number(*parts) % len(items)]


def drawn_places(count: int, size: int, *parts: Part) -> list[int]:
    """Returns `count` different places of a list of `size` items, in the order in which they are drawn.

    All places are returned where there are no more than `count`.
    """
    places = list(range(size))
    for done in range(min(count, size)):  # Fisher and Yates, as far as it is needed
        other = done + drawn_number(*parts, done) % (size - done)
        places[done], places[other] = places[other], places[done]
    return places[:count]
