"""Fewer garbage collections while many replies pass through.

Contract: as long as one `collects_seldom` is open, Python looks for garbage that reference counts do not find after
`ALLOCATIONS` new objects, instead of 700: each call makes a hundred, none of them in a cycle. It never stops looking.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATIONS = 100_000

# How many are open, and what was set before the first: generators may be opened and closed in any order.
_open = 0
_before: tuple[int, int, int] | None = None


@contextmanager
def collects_seldom() -> Iterator[None]:
    """Raises the threshold of the youngest generation as long as this context is open."""
    global _open, _before  # noqa: PLW0603  # the collector belongs to the process
    if _open == 0:
        _before = gc.get_threshold()
        # 0 means that the program has turned the collector off
        if 0 < _before[0] < ALLOCATIONS:
            gc.set_threshold(ALLOCATIONS, *_before[1:])
    _open += 1
    try:
        yield
    finally:
        _open -= 1
        if _open == 0 and _before is not None:
            gc.set_threshold(*_before)
