"""What differs between two JSON values, leaf by leaf, and how it reads on a terminal.

Contract: pure; two values are equal exactly when their canonical JSON is, so that `true` is not `1`, and `1.0` is `1`.
Long texts (prompts, templates, source code) are shown as unified diffs; a long line is broken at its sentences first,
so that an edited word is not lost in a paragraph.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from dreamsmk.hashing import canonical_bytes

# Longer than this, a text is compared line by line.
LONG_TEXT = 60
_LONG_SENTENCE = 100
_CONTEXT_LINES = 2
# How a preimage is read: what was done, by what, with what, to what.
_PREIMAGE_ORDER = ("v", "task", "code", "params", "models", "outputs", "inputs")


class _Absent(Enum):
    """The type of `ABSENT`, so that a type checker can tell it from JSON."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Literal[_Absent.ABSENT] = _Absent.ABSENT
"""Stands for a key that one of the two values does not have; JSON's null is `None`."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf that differs.

    Attributes:
        path: Keys and positions that lead to it.
        before: Its value in the first; `ABSENT` where the first has none.
        after: Its value in the second; `ABSENT` where the second has none.
    """

    path: tuple[str, ...]
    # Any: JSON, or ABSENT.
    before: Any
    after: Any

    @property
    def name(self) -> str:
        """The path as one word: `params.instruction`, `models.model.model`, `inputs.table`."""
        return ".".join(self.path)

    @property
    def is_text(self) -> bool:
        """Whether it is best shown as a unified diff."""
        texts = [value for value in (self.before, self.after) if isinstance(value, str)]
        return len(texts) == 2 and any("\n" in text or len(text) > LONG_TEXT for text in texts)

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the difference as JSON; a side that has no such key is left out."""
        found: dict[str, Any] = {"path": self.name}
        found |= {} if self.before is ABSENT else {"before": self.before}
        found |= {} if self.after is ABSENT else {"after": self.after}
        return found | ({"diff": list(text_diff(self.before, self.after))} if self.is_text else {})


# Any: JSON.
def differences(before: Any, after: Any, path: tuple[str, ...] = ()) -> list[Difference]:
    """Returns the leaves in which two JSON values differ, keys in alphabetical order."""
    return list(_walk(before, after, path))


# Any: JSON.
def preimage_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Returns the leaves in which two preimages of fingerprints differ: task and code first, inputs last.

    A list of one input goes by its role alone: `inputs.table`, not `inputs.table.0`.
    """
    names = [*_PREIMAGE_ORDER, *sorted((set(before) | set(after)) - set(_PREIMAGE_ORDER))]
    found: list[Difference] = []
    for name in names:
        old, new = before.get(name, {}), after.get(name, {})
        if name == "inputs":
            found += differences(_unpacked(old, new), _unpacked(new, old), (name,))
            continue
        found += differences(old, new, (name,))
    return found


def text_diff(before: str, after: str) -> Iterator[str]:
    """Yields the lines of a unified diff without its header; each begins with `+`, `-` or a space, or is `…`."""
    old, new = list(_lines(before)), list(_lines(after))
    hunks = difflib.unified_diff(old, new, lineterm="", n=_CONTEXT_LINES)
    for position, line in enumerate(hunks):
        if position < 2:  # --- and +++
            continue
        if line.startswith("@@"):
            if position > 2:
                yield "…"
        else:
            yield line[0] + " " + line[1:]


def difference_lines(difference: Difference, *, width: int = 110) -> list[str]:
    """Returns a difference for people: `name: old -> new`, or the name and a unified diff below."""
    if difference.is_text:
        return [f"{difference.name}:", *(f"  {line}" for line in text_diff(difference.before, difference.after))]
    room = max(20, (width - len(difference.name) - 6) // 2)
    line = f"{difference.name}: {shown(difference.before)} -> {shown(difference.after)}"
    if len(line) > width:
        line = f"{difference.name}: {shown(difference.before, room)} -> {shown(difference.after, room)}"
    return [line]


# Any: JSON or ABSENT.
def shown(value: Any, room: int | None = None) -> str:
    """Returns a value on one line, cut to `room` characters."""
    if value is ABSENT:
        return "(none)"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if room is None or len(text) <= room else text[: room - 1] + "…"


# Any: JSON.
def _walk(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _walk(before.get(key, ABSENT), after.get(key, ABSENT), (*path, str(key)))
    elif _is_structured(before) and _is_structured(after):
        for position in range(max(len(before), len(after))):
            old = before[position] if position < len(before) else ABSENT
            new = after[position] if position < len(after) else ABSENT
            yield from _walk(old, new, (*path, str(position)))
    elif not _same(before, after):
        yield Difference(path, before, after)


# Any: JSON or ABSENT.
def _same(before: Any, after: Any) -> bool:
    if before is ABSENT or after is ABSENT:
        return before is after
    return canonical_bytes(before) == canonical_bytes(after)


# Any: JSON.
def _is_structured(value: Any) -> bool:
    """Whether a list is compared item by item; one of numbers or short words reads better whole."""
    return isinstance(value, (list, tuple)) and any(
        isinstance(item, (Mapping, list, tuple)) or (isinstance(item, str) and len(item) > LONG_TEXT) for item in value
    )


def _unpacked(inputs: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Returns the digests by role; those of a role that has several, on either side, by their position."""
    found: dict[str, object] = {}
    for role, digests in inputs.items():
        if len(digests) == 1 and len(other.get(role, ())) <= 1:
            found[role] = digests[0]
        else:
            found |= {f"{role}[{position}]": digest for position, digest in enumerate(digests)}
    return found


def _lines(text: str) -> Iterable[str]:
    for line in text.splitlines():
        for sentence in re.split(r"(?<=[.!?;:])\s+", line) if len(line) > LONG_TEXT else [line]:
            yield from re.split(r"(?<=,)\s+", sentence) if len(sentence) > _LONG_SENTENCE else [sentence]
