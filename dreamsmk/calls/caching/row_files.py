"""Whole calls as files: JSON lines for people, Parquet for analysis. A cache can be rebuilt from either.

Contract: a file is either complete or not there. In JSON lines the request and the reply are JSON values, not texts;
their texts are made again when the file is read, byte for byte as they were. Rows stream both ways. What is read is not
checked here: `CallCache.add_rows` does that.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from dreamsmk.calls.caching.cache import CallRow
from dreamsmk.calls.caching.database import COLUMNS
from dreamsmk.errors import DreamsmkError, IdentityError, SettingsError, TableError, nearest
from dreamsmk.hashing import canonical_bytes
from dreamsmk.tables import TableWriter, require_columns, row_count, scan_table

SUFFIXES = (".jsonl", ".parquet")
ROWS_PER_BATCH = 5000
_SHOWN_CHARACTERS = 80


def check_suffix(path: Path) -> None:
    """Raises `SettingsError` unless a path is one of a file of calls."""
    if path.suffix not in SUFFIXES:
        raise SettingsError("this is no kind of file for calls", where=str(path), hint=nearest(path.suffix, SUFFIXES))


def write_rows(rows: Iterable[CallRow], path: Path) -> int:
    """Writes calls to a new file and returns how many there were.

    Raises:
        SettingsError: The suffix is none of `SUFFIXES`.
        TableError: The file cannot be written.
    """
    check_suffix(path)
    written = 0
    if path.suffix == ".parquet":
        source = iter(rows)
        with TableWriter(path, columns=dict.fromkeys(COLUMNS, "String")) as table:
            while batch := list(islice(source, ROWS_PER_BATCH)):
                table.write({name: [getattr(row, name) for row in batch] for name in COLUMNS})
                written += len(batch)
        return written
    with _replacing(path) as file:
        for row in rows:
            file.write(json_line(row))
            written += 1
    return written


def read_rows(path: Path) -> Iterator[CallRow]:
    """Yields the calls of a file.

    Raises:
        SettingsError: The suffix is none of `SUFFIXES`.
        TableError: The file cannot be read, or something in it is no call.
    """
    check_suffix(path)
    return _parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)


def json_line(row: CallRow) -> bytes:
    """Returns a call as a line of JSON."""
    # The texts are JSON already, and both are one line.
    texts = (row.key, row.created_at, row.rule, row.model, row.provider)
    key, created_at, rule, model, provider = (orjson.dumps(text).decode() for text in texts)
    return (
        f'{{"key":{key},"created_at":{created_at},"rule":{rule},"model":{model},"provider":{provider},'
        f'"request":{row.request},"response":{row.response}}}\n'
    ).encode()


def _parquet_rows(path: Path) -> Iterator[CallRow]:
    require_columns(path, COLUMNS)
    frame = scan_table(path).select(COLUMNS)
    for start in range(0, row_count(path), ROWS_PER_BATCH):
        for number, cells in enumerate(frame.slice(start, ROWS_PER_BATCH).collect().iter_rows()):
            if not all(isinstance(cell, str) for cell in cells):
                raise TableError(
                    "this row is no call: all of its cells are texts", where=f"{path}, row {start + number}"
                )
            yield CallRow(*cells)


def _json_rows(path: Path) -> Iterator[CallRow]:
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                yield _row(line, f"{path}, line {number}")
    except OSError as exc:
        raise TableError(f"the file cannot be read: {exc.strerror}", where=str(path)) from exc


def _row(line: bytes, where: str) -> CallRow:
    try:
        value = _loaded(line)
        texts = {name: value[name] for name in COLUMNS if name not in ("request", "response")}
        row = CallRow(request=canonical_bytes(value["request"]).decode(), response=_dumped(value["response"]), **texts)
    except (ValueError, TypeError, KeyError, RecursionError, IdentityError) as exc:
        words = exc.what if isinstance(exc, DreamsmkError) else f"{type(exc).__name__} {exc}"
        raise TableError(f"this line is no call: {words[:_SHOWN_CHARACTERS]}", where=where) from exc
    if not all(isinstance(text, str) for text in texts.values()):
        raise TableError("this line is no call: its key, model and times are texts", where=where)
    return row


# Any: JSON.
def _loaded(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Infinite numbers and half surrogate pairs, which replies may hold, are JSON for Python alone.
        return json.loads(text)


# Any: JSON.
def _dumped(value: Any) -> str:
    try:
        text = orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"))
    # orjson writes null for what is infinite.
    return text.decode() if b"null" not in text else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Gives a file beside a path that takes its place when the block ends well."""
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as exc:
        raise TableError(f"the file cannot be written: {exc.strerror or exc}", where=str(path)) from exc
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(temporary)
