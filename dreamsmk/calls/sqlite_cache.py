"""The call cache as one SQLite file: right for every process of one machine.

Contract: as `calls.cache` says. Several processes may read and write the file at once (WAL, `BEGIN IMMEDIATE`, 30 s of
patience); every group of replies is flushed to the disk (`synchronous=FULL`). The schema has a version and migrates
forward; a file of a newer version, a damaged file and a file of something else are left as they are and reported.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from dreamsmk.calls.cache import ModelCalls, RuleCalls, StoredCall
from dreamsmk.calls.group_commit import GroupCommit
from dreamsmk.calls.sqlite_file import abandon, open_database, reported
from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import Request, Response, Usage

KEYS_PER_SELECT = 2000
# Replies, of all models, that are looked at to learn how long those of one model are.
LATEST_REPLIES = 10_000

# A table with row ids: replies that were written one after another are read one after another.
_SELECT = "SELECT key, response FROM calls WHERE key IN (SELECT value FROM json_each(?))"
_EXISTING = "SELECT key FROM calls WHERE key IN (SELECT value FROM json_each(?))"
_INSERT = """
INSERT INTO calls (key, request, response, created_at, rule, model, provider) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO NOTHING
"""
# A new row id, not only new values: what was asked again is the newest.
_REPLACE = """
INSERT OR REPLACE INTO calls (key, request, response, created_at, rule, model, provider) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_USAGE = """
       sum(json_extract(response, '$.usage.input_tokens')),
       sum(json_extract(response, '$.usage.cached_input_tokens')),
       sum(json_extract(response, '$.usage.output_tokens')),
       sum(json_extract(response, '$.usage.reasoning_tokens'))
"""
_STATS = f"""
SELECT provider, model, count(*), {_USAGE}, min(created_at), max(created_at)
FROM calls GROUP BY provider, model ORDER BY provider, model
"""
_LATELY = f"""
SELECT rule, count(*), {_USAGE}
FROM calls WHERE rowid > (SELECT max(rowid) FROM calls) - ? AND provider = ? AND model = ? GROUP BY rule ORDER BY rule
"""
_STORED = """
SELECT key, request, created_at, rule FROM calls
WHERE (? IS NULL OR model = ?) AND instr(request, ?) > 0 ORDER BY rowid DESC LIMIT ?
"""


class _Entry(NamedTuple):
    key: str
    request: Request
    response: Response
    rule: str
    body: bytes | None
    replaces: bool


class SqliteCallCache:
    """A call cache in one SQLite file, made where there is none.

    Args:
        path: The file. It must not lie on a network file system.

    Raises:
        CacheError: The file cannot be opened or written, is damaged, is no call cache or is of a newer version.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._reader: sqlite3.Connection | None = open_database(self.path)
        self._writer = _Writer(self.path)
        # On exit, or where `close` was forgotten: what was put is written.
        self._finalizer = weakref.finalize(self, self._writer.close)

    def get_many(self, keys: Sequence[str]) -> dict[str, Response]:
        """Returns the replies that are stored, by key."""
        found = self._writer.unwritten(keys)
        wanted = [key for key in keys if key not in found] if found else keys
        for start in range(0, len(wanted), KEYS_PER_SELECT):
            chunk = json.dumps(wanted[start : start + KEYS_PER_SELECT])
            with self._reading() as reader:
                rows = reader.execute(_SELECT, (chunk,)).fetchall()
            found.update((key, Response.from_json(json.loads(response))) for key, response in rows)
        return found

    def existing(self, keys: Sequence[str]) -> set[str]:
        """Returns those of the keys that a reply is stored under, without reading any reply."""
        found = set(self._writer.unwritten(keys))
        for start in range(0, len(keys), KEYS_PER_SELECT):
            chunk = json.dumps(keys[start : start + KEYS_PER_SELECT])
            with self._reading() as reader:
                found.update(key for (key,) in reader.execute(_EXISTING, (chunk,)))
        return found

    def put(
        self,
        key: str,
        request: Request,
        response: Response,
        *,
        rule: str = "",
        body: bytes | None = None,
        replaces: bool = False,
    ) -> None:
        """Stores one reply, unless there is one under that key and this is not to replace it; see `Replies.put`."""
        self._writer.add(_Entry(key, request, response, rule, body, replaces))

    def flush(self) -> None:
        """Returns when every reply that was put is durable."""
        self._writer.group.flush()

    def stats(self) -> list[ModelCalls]:
        """Returns what is stored of each model, ordered by provider and model."""
        self.flush()
        with self._reading() as reader:
            rows = reader.execute(_STATS).fetchall()
        return [
            ModelCalls(provider, model, calls, Usage(*tokens), first_at, last_at)
            for provider, model, calls, *tokens, first_at, last_at in rows
        ]

    def lately(self, provider: str, model: str) -> list[RuleCalls]:
        """Returns what the latest replies of a model came to, by rule."""
        self.flush()
        with self._reading() as reader:
            rows = reader.execute(_LATELY, (LATEST_REPLIES, provider, model)).fetchall()
        return [RuleCalls(rule, calls, Usage(*tokens)) for rule, calls, *tokens in rows]

    def stored(self, *, model: str | None = None, containing: str = "", limit: int = 1000) -> list[StoredCall]:
        """Returns calls that are stored, the newest first; see `CallCache.stored`."""
        self.flush()
        with self._reading() as reader:
            rows = reader.execute(_STORED, (model, model, containing, limit)).fetchall()
        return [StoredCall(key, json.loads(request), created_at, rule) for key, request, created_at, rule in rows]

    def close(self) -> None:
        """Flushes and closes; harmless when closed already."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, reported(self.path):
            if self._reader is None:
                raise sqlite3.ProgrammingError("the call cache is closed")
            yield self._reader


class _Writer:
    """The writing half: knows nothing of the cache object, so that a forgotten cache can be collected."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._unwritten: dict[str, Response] = {}
        self._connection: sqlite3.Connection | None = None
        self.group: GroupCommit[_Entry] = GroupCommit(self._write)

    def add(self, entry: _Entry) -> None:
        with self._lock:
            if entry.replaces:
                self._unwritten[entry.key] = entry.response
            else:
                # The first reply under a key is the one that stays, here as in the file.
                self._unwritten.setdefault(entry.key, entry.response)
        self.group.add(entry)

    def unwritten(self, keys: Sequence[str]) -> dict[str, Response]:
        """Returns the replies that are not yet in the file: whoever put one must find it at once."""
        with self._lock:
            if not self._unwritten:
                return {}
            return {key: self._unwritten[key] for key in keys if key in self._unwritten}

    def close(self) -> None:
        try:
            self.group.close()
        finally:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _write(self, entries: list[_Entry]) -> None:
        groups = [(replaces, [_row(entry) for entry in group]) for replaces, group in groupby(entries, _replaces)]
        with reported(self._path):
            if self._connection is None:
                self._connection = open_database(self._path)
            # IMMEDIATE: a transaction that becomes a writing one later fails at once where another one was faster.
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for replaces, rows in groups:
                    self._connection.executemany(_REPLACE if replaces else _INSERT, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                abandon(self._connection)
                raise
        with self._lock:
            for entry in entries:
                # One that replaces it may have been put since, and is not in the file yet.
                if self._unwritten.get(entry.key) is entry.response:
                    del self._unwritten[entry.key]


def _replaces(entry: _Entry) -> bool:
    return entry.replaces


def _row(entry: _Entry) -> tuple[str, ...]:
    request, response = entry.request, entry.response
    body = canonical_bytes(request.canonical()) if entry.body is None else entry.body
    answer = json.dumps(response.to_json(), ensure_ascii=False, separators=(",", ":"))
    if not _is_unicode(answer):
        # A reply may hold half a surrogate pair; it was paid for, so it is kept, escaped.
        answer = json.dumps(response.to_json(), separators=(",", ":"))
    model = request.model
    return (entry.key, body.decode(), answer, response.created_at, entry.rule, model.model, model.provider)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
