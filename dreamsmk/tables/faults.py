"""Where a text table is wrong: the first line that a strict reader refuses.

Contract: only for messages and checks; the rows themselves are read by polars.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "an array", dict: "an object"}
# What goes into one column of text where it stands beside text.
_WRITTEN = frozenset({"text", "a number"}), frozenset({"text", "true or false"})
# Looking for more keys takes longer than reading the lines.
_MOST_KEYS = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file.

    Attributes:
        line: The line, from 1; of an array of objects the row, from 0.
        reason: One clause.
    """

    line: int
    reason: str
    is_row: bool = False

    def at(self, path: Path) -> str:
        """Returns where in a file it is."""
        return f"{path}, row {self.line} (from 0)" if self.is_row else f"{path}, line {self.line}"


def first_bad_json_row(path: Path, *, only_with: bytes = b"", whole: bool = False) -> Fault | None:
    """Returns the first line of a file of JSON objects that is none.

    Args:
        path: The file.
        only_with: Only lines that hold these bytes, whatever the case of their letters, are looked at.
        whole: The file is one JSON value instead.
    """
    with path.open("rb") as file:
        for number, line in enumerate([file.read()] if whole else file, start=1):
            # Most lines have no escapes at all: looking for the backslash first is what makes this fast.
            if not line.strip() or (only_with and (only_with[:1] not in line or only_with not in line.lower())):
                continue
            try:
                value = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except orjson.JSONDecodeError as exc:
                return Fault(number + exc.lineno - 1 if whole else number, f"not valid JSON: {exc.msg}")
            if not whole and not isinstance(value, dict):
                return Fault(number, "not a JSON object")
    return None


def first_mixed_json_row(path: Path, *, whole: bool = False) -> Fault | None:
    """Returns the first object whose values are of another kind than those before it, where no type holds both.

    Args:
        path: The file; all of it is JSON.
        whole: The file is one array of objects instead of an object a line.
    """
    kinds: dict[str, str] = {}
    for line, value in _objects(path, whole=whole):
        for name, cell in value.items():
            if cell is None:
                continue
            kind = _KINDS[type(cell)]
            before = kinds.setdefault(name, kind)
            if kind != before and {kind, before} not in _WRITTEN:
                return Fault(line, f"the column {name!r} is {kind} here, and {before} before", is_row=whole)
    return None


def first_repeated_key(path: Path, names: Sequence[str], *, whole: bool = False) -> Fault | None:
    """Returns the first object that has a key twice; polars takes the first of the two without a word.

    Args:
        path: The file; all of it is JSON.
        names: The keys that its objects have.
        whole: The file is one array of objects instead of an object a line.
    """
    for line, pairs in _members(path, names, whole=whole):
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        if twice:
            return Fault(line, f"the column {twice[0]!r} is there twice", is_row=whole)
    return None


def first_bad_csv_row(path: Path, separator: str) -> Fault | None:
    """Returns the first line of a delimited file with more fields than the header, or that is not UTF-8."""
    with path.open("rb") as raw:
        for number, line in enumerate(raw, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return Fault(number, "not valid UTF-8")
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file, delimiter=separator)
        width = None
        try:
            for row in rows:
                width = len(row) if width is None else width
                if len(row) > width:
                    return Fault(rows.line_num, f"{len(row)} fields, and the header has {width}")
        except csv.Error as exc:
            return Fault(rows.line_num, f"not valid CSV: {exc}")
    return None


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, in order, also those whose key is there already; what is in an array is a list."""


# Any: JSON.
def _members(path: Path, names: Sequence[str], *, whole: bool) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Yields the members of objects that may have a key twice, with their line or row as `_objects`."""
    import polars as pl

    if whole:
        yield from enumerate(json.loads(path.read_bytes(), object_pairs_hook=_Pairs))
        return
    lines = pl.scan_lines(str(path), name="text", glob=False).with_row_index("line", offset=1)
    if len(names) <= _MOST_KEYS:
        # a key of an object inside looks alike, so that these lines are looked at again
        keys = (pl.escape_regex(json.dumps(name, ensure_ascii=False)) for name in names)
        counts = (pl.col("text").str.count_matches(rf"{key}\s*:") for key in keys)
        lines = lines.filter(pl.any_horizontal([False, *(count > 1 for count in counts)]))
    for batch in lines.collect_batches(maintain_order=True, lazy=True):
        for line, text in batch.iter_rows():
            if text.strip():
                yield line, json.loads(text, object_pairs_hook=_Pairs)


# Any: JSON.
def _objects(path: Path, *, whole: bool) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields each object, with its line from 1, or with its row from 0 in an array."""
    with path.open("rb") as file:
        texts = [file.read().removeprefix(b"\xef\xbb\xbf")] if whole else file
        for line, text in enumerate(texts, start=1):
            value = orjson.loads(text) if text.strip() else None
            for row, item in enumerate(value if whole and isinstance(value, list) else [value]):
                if isinstance(item, dict):
                    yield row if whole else line, item
