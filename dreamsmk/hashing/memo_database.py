"""The SQLite file behind the stat memo: rows of (path, slot) -> (signature, settled, digest).

Contract: the file is only a memo. A damaged one is dropped and begun anew; one that a newer dreamsmk wrote is a
`StoreError`. Any number of threads and processes may use it at once: each connection belongs to one process, a lock
hands it to one thread at a time, and SQLite's own locks hold between processes.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from dreamsmk.errors import StoreError
from dreamsmk.hashing.signatures import is_network_device

SCHEMA_VERSION = 1
_BUSY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests (
    path BLOB NOT NULL,        -- bytes, relative to the memo's root where it is below it
    slot TEXT NOT NULL,        -- what the digest is of, and its algorithm: 'rows-xxh3'
    signature BLOB NOT NULL,   -- of a file 40 bytes, of a folder 16
    settled INTEGER NOT NULL,  -- 0: a later write may have left the same signature
    digest TEXT NOT NULL,
    seen_at_ns INTEGER NOT NULL,
    PRIMARY KEY (path, slot)
) WITHOUT ROWID
"""

T = TypeVar("T")


class Entry(NamedTuple):
    """What the memo holds for one path and slot."""

    path: bytes
    slot: str
    signature: bytes
    is_settled: bool
    digest: str


class MemoDatabase:
    """The rows of one memo file, which is made when it is first used.

    Args:
        path: The SQLite file; its folder is made too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process_id = 0

    def entry(self, path: bytes, slot: str) -> Entry | None:
        """Returns what is held for one path and slot."""
        query = "SELECT path, slot, signature, settled, digest FROM digests WHERE path = ? AND slot = ?"
        row = self._run(lambda connection: connection.execute(query, (path, slot)).fetchone())
        return _entry(row) if row else None

    def entries_of(self, path: bytes) -> list[Entry]:
        """Returns what is held for one path, the latest first."""
        query = (
            "SELECT path, slot, signature, settled, digest FROM digests WHERE path = ? ORDER BY seen_at_ns DESC, slot"
        )
        return [_entry(row) for row in self._run(lambda connection: connection.execute(query, (path,)).fetchall())]

    def entries_below(self, folder: bytes, slot: str) -> list[Entry]:
        """Returns what is held in one slot for all paths that begin with a folder's, which ends in `/`."""
        query = "SELECT path, slot, signature, settled, digest FROM digests WHERE path >= ? AND path < ? AND slot = ?"
        bounds = (folder, folder[:-1] + b"0", slot)  # 0 is the byte after the slash
        return [_entry(row) for row in self._run(lambda connection: connection.execute(query, bounds).fetchall())]

    def put(self, entries: Iterable[Entry]) -> None:
        """Writes rows, all or none, over those that are there."""
        now_ns = time.time_ns()
        rows = [(*entry, now_ns) for entry in entries]
        if not rows:
            return

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)", rows)

        self._run(write)

    def close(self) -> None:
        """Closes the file; it is opened again when it is next used."""
        with self._lock:
            if self._connection is not None and self._process_id == os.getpid():
                self._connection.close()
            self._connection = None

    def _run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Returns what an action on the database gives; a damaged file is dropped, once."""
        with self._lock:
            try:
                return action(self._open())
            except sqlite3.OperationalError as exc:
                raise self._unusable(exc) from exc
            except sqlite3.DatabaseError:
                self._drop()
            try:
                return action(self._open())
            except sqlite3.Error as exc:
                raise self._unusable(exc) from exc

    def _unusable(self, exc: sqlite3.Error) -> StoreError:
        hint = "delete the file: it is made anew, at the price of reading every input once"
        return StoreError(f"the digest memo cannot be used: {exc}", where=str(self._path), hint=hint)

    def _open(self) -> sqlite3.Connection:
        # A connection must not cross a fork: the child makes its own and leaves the parent's alone.
        if self._connection is None or self._process_id != os.getpid():
            self._connection = self._connect()
            self._process_id = os.getpid()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreError(f"the folder of the digest memo cannot be made: {exc}", where=str(self._path)) from exc
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with closing(connection.execute("PRAGMA user_version")) as cursor:
            version: int = cursor.fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"the digest memo has version {version}, this dreamsmk knows {SCHEMA_VERSION}",
                where=str(self._path),
                hint="upgrade dreamsmk, or delete the file",
            )
        # A write-ahead log needs memory that all its users share, which two hosts do not have.
        if not is_network_device(self._path.parent.stat().st_dev):
            _use_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        if version < SCHEMA_VERSION:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")

    def _drop(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self._path}{suffix}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switches to a write-ahead log; SQLite does not wait for other openers here by itself."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _entry(row: tuple[bytes, str, bytes, int, str]) -> Entry:
    path, slot, signature, settled, digest = row
    return Entry(path, slot, signature, bool(settled), digest)
