"""The call cache as one SQLite file: right for every process of one machine.

Contract: as `calls.cache` says. Several processes may read and write the file at once (WAL, `BEGIN IMMEDIATE`, 30 s of
patience); every group of replies is flushed to the disk (`synchronous=FULL`). The schema has a version and migrates
forward; a file of a newer version, a damaged file and a file of something else are left as they are and reported.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import orjson

from dreamsmk.calls.caching.claims import ClaimBook
from dreamsmk.calls.caching.database import STORED, Dialect, Row, stored_values
from dreamsmk.calls.caching.database_cache import DatabaseCallCache
from dreamsmk.calls.caching.queries import existing
from dreamsmk.calls.caching.sqlite_claims import SqliteClaims
from dreamsmk.calls.caching.sqlite_file import open_database, reported, transaction
from dreamsmk.calls.caching.sqlite_places import place_of, places_beginning
from dreamsmk.errors import CacheError


def _json(values: Iterable[object]) -> str:
    return orjson.dumps(list(values)).decode()


def _keys(keys: Sequence[str]) -> list[object]:
    return [_json(map(place_of, keys)), _json(keys)]


def _start(start: str) -> list[object]:
    # No key has a character behind "f".
    return [*places_beginning(start), start, f"{start}g"]


# A table with row ids: replies that were written one after another are read one after another.
DIALECT = Dialect(
    mark="?",
    calls="calls",
    number="rowid",
    has_key="place IN (SELECT value FROM json_each(?)) AND key IN (SELECT value FROM json_each(?))",
    keys=_keys,
    begins="place BETWEEN ? AND ? AND key >= ? AND key < ?",
    start=_start,
    by_key="place, key",
    position="instr",
)
_MARKS = f"(?, {', '.join('?' * len(STORED))})"
# OR FAIL: each transaction is rolled back as a whole, so that SQLite need not remember how to undo a single statement.
_INSERT = f"INSERT OR FAIL INTO calls (place, {', '.join(STORED)}) VALUES {_MARKS}"
# Around each statement the interpreter's lock changes hands: with one a row, the writing thread would wait for it again
# and again. Every SQLite takes 999 marks in a statement.
_ROWS_PER_INSERT = 999 // (len(STORED) + 1)
_INSERT_MANY = _INSERT + f", {_MARKS}" * (_ROWS_PER_INSERT - 1)
_DELETE = "DELETE FROM calls WHERE place = ? AND key = ?"
_EXISTING = existing(DIALECT)

Result = TypeVar("Result")


class SqliteCallCache(DatabaseCallCache):
    """A call cache in one SQLite file, made where there is none.

    Args:
        path: The file. It must not lie on a network file system.

    Raises:
        CacheError: The file cannot be opened or written, is damaged, is no call cache or is of a newer version.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        super().__init__(SqliteDatabase(self.path))


class SqliteDatabase:
    """The file: one connection that reads, one that writes. Implements `Database`.

    Args:
        path: The file.
    """

    dialect = DIALECT

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._reader: sqlite3.Connection | None = open_database(path)
        self._writer: sqlite3.Connection | None = None
        self._is_closed = False

    def book(self) -> ClaimBook:
        """Returns where claims on calls are written down."""
        return SqliteClaims(self._path)

    # Any: SQLite's values.
    def select(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        with self._reading, reported(self._path):
            if self._reader is None:
                raise CacheError("the call cache is closed", where=str(self._path))
            return self._reader.execute(query, values).fetchall()

    def store(self, groups: Sequence[tuple[bool, Sequence[Row]]]) -> int:
        """Makes rows durable, all or none."""

        def store(connection: sqlite3.Connection) -> int:
            return sum(_replace(connection, rows) if replaces else _add(connection, rows) for replaces, rows in groups)

        return self._changing(store)

    def delete(self, statement: str, values: Sequence[object]) -> int:
        """Deletes rows and returns how many there were."""
        return self._changing(lambda connection: connection.execute(statement, values).rowcount)

    def vacuum(self) -> None:
        """Writes the file anew without what is free, and empties its log."""
        with self._writing, reported(self._path):
            connection = self._open_writer()
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Closes both connections."""
        with self._reading:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        with self._writing:
            self._is_closed = True
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _changing(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        """Returns what an action gives, done as one transaction."""
        with self._writing, reported(self._path):
            connection = self._open_writer()
            with transaction(connection):
                return action(connection)

    def _open_writer(self) -> sqlite3.Connection:
        if self._is_closed:
            raise CacheError("the call cache is closed", where=str(self._path))
        if self._writer is None:
            self._writer = open_database(self._path)
        return self._writer


# What follows runs in a transaction, so that a key stands in the table once, though no index says that it must.


def _add(connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """Writes the rows whose key is not stored; of several with one key, the first."""
    firsts: dict[str, Row] = {}
    for row in rows:
        firsts.setdefault(row.key, row)
    for (key,) in connection.execute(_EXISTING, _keys(list(firsts))).fetchall():
        del firsts[key]
    return _insert(connection, firsts)


def _replace(connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """Writes the rows in the place of those with their keys; of several with one key, the last.

    Each gets a new row id, not only new values: what was asked again is the newest.
    """
    lasts: dict[str, Row] = {}
    for row in rows:
        lasts.pop(row.key, None)
        lasts[row.key] = row
    connection.executemany(_DELETE, [(place_of(key), key) for key in lasts])
    return _insert(connection, lasts)


def _insert(connection: sqlite3.Connection, rows: Mapping[str, Row]) -> int:
    values = [(place_of(key), *stored_values(row)) for key, row in rows.items()]
    whole = len(values) - len(values) % _ROWS_PER_INSERT
    for start in range(0, whole, _ROWS_PER_INSERT):
        connection.execute(_INSERT_MANY, list(chain.from_iterable(values[start : start + _ROWS_PER_INSERT])))
    connection.executemany(_INSERT, values[whole:])
    return len(rows)
