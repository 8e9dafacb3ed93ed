"""The call cache as one SQLite file: right for every process of one machine.

Contract: as `calls.cache` says. Several processes may read and write the file at once (WAL, `BEGIN IMMEDIATE`, 30 s of
patience); every group of replies is flushed to the disk (`synchronous=FULL`). The schema has a version and migrates
forward; a file of a newer version, a damaged file and a file of something else are left as they are and reported.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dreamsmk.calls.caching.claims import ClaimBook
from dreamsmk.calls.caching.database import STORED, Dialect, Row, stored_values
from dreamsmk.calls.caching.database_cache import DatabaseCallCache
from dreamsmk.calls.caching.sqlite_claims import SqliteClaims
from dreamsmk.calls.caching.sqlite_file import open_database, reported, transaction
from dreamsmk.errors import CacheError

# A table with row ids: replies that were written one after another are read one after another.
DIALECT = Dialect(
    mark="?",
    calls="calls",
    number="rowid",
    has_key="key IN (SELECT value FROM json_each(?))",
    keys=json.dumps,
    position="instr",
)
_VALUES = f"calls ({', '.join(STORED)}) VALUES ({', '.join('?' * len(STORED))})"
_INSERT = f"INSERT INTO {_VALUES} ON CONFLICT (key) DO NOTHING"
# A new row id, not only new values: what was asked again is the newest.
_REPLACE = f"INSERT OR REPLACE INTO {_VALUES}"

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
            before = connection.total_changes
            for replaces, rows in groups:
                connection.executemany(_REPLACE if replaces else _INSERT, [stored_values(row) for row in rows])
            return connection.total_changes - before

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
