"""The place of a call in an SQLite cache: the beginning of its key as a number, which the index of the keys holds.

Contract: a key always has the same place, and keys that begin with one text have places in one range. Two keys with
one place are nowhere taken for each other. Keys come in no order, so that each new one changes some page of their
index; one of numbers has a fifth of the pages of one of whole keys.
"""

from __future__ import annotations

import hashlib
import re

# Of a key as `sha256:` and 64 digits: 60 bits, which are an integer of SQLite with its sign left alone.
_DIGITS = slice(7, 22)
_COUNT = 15
_START = re.compile(r"sha256:([0-9a-f]{0,15})")


def place_of(key: str) -> int:
    """Returns the place of a key; of a text that is no key, some number that it alone decides."""
    try:
        return int(key[_DIGITS], 16)
    except ValueError:
        return int(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_COUNT], 16)


def places_beginning(start: str) -> tuple[int, int]:
    """Returns the first and the last place that a key which begins with a text can have."""
    found = _START.match(start)
    digits = found.group(1) if found else ""
    return int(digits.ljust(_COUNT, "0"), 16), int(digits.ljust(_COUNT, "f"), 16)
