"""The stored call that is nearest to one that missed.

Contract: at most `LIMIT` calls of the same model and `LIMIT` of the same last message are looked at, and where there is
neither, the newest of all. A call of the same model or with the same messages comes before any other; among those, the
one whose canonical JSON has most in common with the request. Texts are compared by the words that they share.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.calls.caching.cache import CallCache, StoredCall
from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import Request

LIMIT = 5000
_SHOWN_CHARACTERS = 50
_SHOWN_BEFORE = 15
_ABSENT = object()


def nearest_call(cache: CallCache, request: Request) -> StoredCall | None:
    """Returns the stored call that is nearest to a request, other than itself; None where the cache is empty."""
    wanted = request.canonical()
    last = canonical_bytes(wanted["messages"][-1]).decode() if wanted.get("messages") else ""
    found = {call.key: call for call in cache.stored(model=request.model.model, limit=LIMIT)}
    found |= {call.key: call for call in cache.stored(containing=last, limit=LIMIT)} if last else {}
    found = found or {call.key: call for call in cache.stored(limit=LIMIT)}
    found.pop(request.key(), None)
    leaves = dict(_leaves(wanted))
    return max(found.values(), key=lambda call: (_is_akin(call.request, wanted), _likeness(leaves, call)), default=None)


# Any: JSON.
def call_differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Returns one line a leaf in which two requests differ: `sampling.temperature: 1 -> 0.5`, the first ones first."""
    old, new = dict(_leaves(stored)), dict(_leaves(wanted))
    names = sorted(old.keys() | new.keys())
    found = [(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in names]
    return [f"{name[1:]}: {' -> '.join(_pair(was, now))}" for name, was, now in found if was != now]


# Any: JSON, or `_ABSENT`.
def _pair(was: Any, now: Any) -> tuple[str, str]:
    """Returns two values as they are shown: long texts around the first character that differs."""
    start = 0
    if isinstance(was, str) and isinstance(now, str) and max(len(was), len(now)) > _SHOWN_CHARACTERS:
        pairs = enumerate(zip(was, now, strict=False))
        first = next((place for place, (one, other) in pairs if one != other), min(len(was), len(now)))
        start = max(first - _SHOWN_BEFORE, 0)
    return _shown(was, start), _shown(now, start)


# Any: JSON, or `_ABSENT`.
def _shown(value: Any, start: int) -> str:
    if value is _ABSENT:
        return "(absent)"
    if not isinstance(value, str):
        return json.dumps(value)
    part = value[start : start + _SHOWN_CHARACTERS]
    return f"'{'…' if start else ''}{part}{'…' if start + len(part) < len(value) else ''}'"


# Any: JSON.
def _is_akin(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return any(stored.get(name) == wanted.get(name) for name in ("model", "messages"))


# Any: JSON.
def _likeness(wanted: Mapping[str, Any], call: StoredCall) -> float:
    """Returns how much of two requests is the same: 1 for all of it."""
    stored = dict(_leaves(call.request))
    names = wanted.keys() | stored.keys()
    return sum(_same(wanted.get(name), stored.get(name)) for name in names) / max(len(names), 1)


# Any: JSON.
def _same(one: Any, other: Any) -> float:
    if one == other:
        return 1.0
    if not isinstance(one, str) or not isinstance(other, str):
        return 0.0
    ours, theirs = set(re.findall(r"\w+", one)), set(re.findall(r"\w+", other))
    return len(ours & theirs) / max(len(ours | theirs), 1)


# Any: JSON.
def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{position}")
    else:
        yield path, value
