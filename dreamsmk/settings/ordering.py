"""The order of the keys in JSON, where it means something.

Contract: canonical JSON sorts keys, so that two values that differ in their order alone have one digest. Where the
order decides a result (of columns, of labels in a prompt, of the properties that a model fills in), what is told here
goes into the digest beside the value. Of keys that stand in order nothing is told, so that most digests are as they
would be without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


# Any: JSON.
def key_order(value: Any, under: str | None = None) -> list[list[Any]]:
    """Returns the mappings in a value whose keys are not sorted.

    Args:
        value: Plain JSON.
        under: Only mappings that stand under this key, at any depth.

    Returns:
        For each mapping where it stands, as keys and positions, and its keys in their order.
    """
    return [[list(at), keys] for at, keys in _unsorted(value, (), under)]


# Any: JSON.
def _unsorted(value: Any, at: tuple[str | int, ...], under: str | None) -> Iterator[tuple[Any, list[str]]]:
    if isinstance(value, dict):
        keys = list(value)
        if keys != sorted(keys) and (under is None or at[-1:] == (under,)):
            yield at, keys
        for key in sorted(keys):
            yield from _unsorted(value[key], (*at, key), under)
    elif isinstance(value, (list, tuple)):
        for place, inner in enumerate(value):
            yield from _unsorted(inner, (*at, place), under)
