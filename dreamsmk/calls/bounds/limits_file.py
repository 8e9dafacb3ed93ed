"""The file that the jobs of one home share their rates and budgets through.

Contract: every change is one short transaction, in the calling thread; processes wait for each other for 30 s at most.
What a killed process had written stays. The schema has a version; a newer one is an error that says so.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dreamsmk.calls.caching.sqlite_file import BUSY_TIMEOUT_SECONDS, set_wal, transaction
from dreamsmk.errors import CacheError
from dreamsmk.hashing.signatures import is_network_device

VERSION = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS paces (name TEXT PRIMARY KEY, free_at REAL NOT NULL, seen_at REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS spending (owner TEXT PRIMARY KEY, usd REAL NOT NULL, tokens REAL NOT NULL)",
)

Result = TypeVar("Result")


class LimitsFile:
    """The file, made when it is first needed.

    Args:
        path: An SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def changing(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        """Returns what an action gives, done as one transaction.

        Raises:
            CacheError: The file cannot be used, or is of a newer version.
        """
        try:
            with self._lock:
                self._connection = self._connection or self._open()
                with transaction(self._connection):
                    return action(self._connection)
        except (sqlite3.Error, OSError) as exc:
            raise CacheError(f"the file of limits and budgets cannot be used: {exc}", where=str(self.path)) from exc

    def close(self) -> None:
        """Closes the file; it is opened again when it is next needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise CacheError(
                    f"the file of limits and budgets has version {version}, newer than {VERSION}",
                    where=str(self.path),
                    hint="update dreamsmk",
                )
            # A write-ahead log needs memory that all its users share, which the nodes of a cluster do not have.
            if not is_network_device(self.path.parent.stat().st_dev):
                set_wal(connection, self.path)
            # A crash of the machine may lose the last moments; what a process wrote outlives that process.
            connection.execute("PRAGMA synchronous=NORMAL")
            if version < VERSION:
                with transaction(connection):
                    _create(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _create(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={VERSION}")
