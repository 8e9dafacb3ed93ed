"""Where a text table is wrong: the first line that a strict reader refuses.

Contract: only for messages and checks; the rows themselves are read by polars.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file.

    Attributes:
        line: The line, from 1.
        reason: One clause.
    """

    line: int
    reason: str


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
