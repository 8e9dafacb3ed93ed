"""Claims in an SQLite file beside the call cache: for the processes of one machine.

Contract: as `calls.claims` says. Nothing waits for the disk here: the file is of use only as long as the machine runs.
One that is damaged, as a crash of the machine may leave it, is begun anew.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import orjson

from dreamsmk.calls.caching.sqlite_file import BUSY_TIMEOUT_SECONDS, reported, set_wal, transaction

SUFFIX = ".claims"
SHORT_CHARACTERS = 24
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS owners (id INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE, renewed_at REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner INTEGER NOT NULL) WITHOUT ROWID",
)
_REGISTER = """
INSERT INTO owners (owner, renewed_at) VALUES (?, ?)
ON CONFLICT (owner) DO UPDATE SET renewed_at = excluded.renewed_at RETURNING id
"""
# OR IGNORE, and not ON CONFLICT DO NOTHING, for which SQLite would write a file to undo the statement with.
_TAKE = "INSERT OR IGNORE INTO claims (key, owner) SELECT value, ? FROM json_each(?)"
_OTHERS = """
SELECT key, owners.owner FROM claims JOIN owners ON owners.id = claims.owner
WHERE key IN (SELECT value FROM json_each(?)) AND claims.owner != ?
"""
_AGES = "SELECT owner, renewed_at FROM owners WHERE owner IN (SELECT value FROM json_each(?))"
_CHOSEN = "SELECT id FROM owners WHERE owner IN (SELECT value FROM json_each(?))"
_EXPEL = (
    f"DELETE FROM claims WHERE owner IN ({_CHOSEN})",
    "DELETE FROM owners WHERE owner IN (SELECT value FROM json_each(?))",
)
_GIVE_BACK = """
DELETE FROM claims
WHERE key IN (SELECT value FROM json_each(?)) AND owner = (SELECT id FROM owners WHERE owner = ?)
"""

Result = TypeVar("Result")


class SqliteClaims:
    """The claims on the calls of one cache file; implements `ClaimBook`.

    Args:
        path: The file of the cache.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + SUFFIX)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def take(self, owner: str, keys: Sequence[str]) -> dict[str, str]:
        """Writes down the free ones of some keys as the owner's; returns whose the others are."""
        short = {_short(key): key for key in keys}
        wanted = _json(list(short))

        def take(connection: sqlite3.Connection) -> dict[str, str]:
            number = connection.execute(_REGISTER, (owner, time.time())).fetchone()[0]
            taken = connection.execute(_TAKE, (number, wanted)).rowcount
            others = [] if taken == len(keys) else connection.execute(_OTHERS, (wanted, number)).fetchall()
            return {short[key]: holder for key, holder in others}

        return self._changing(take)

    def sweep(self, older_than_seconds: float) -> None:
        """Ends all claims that were not renewed for so long."""
        self._changing(lambda connection: self._sweep(connection, time.time() - older_than_seconds))

    def ages(self, owners: Collection[str]) -> dict[str, float]:
        """Returns for how many seconds owners have not renewed their claims."""
        now = time.time()
        found = self._changing(lambda connection: connection.execute(_AGES, (_json(list(owners)),)).fetchall())
        return {owner: now - renewed_at for owner, renewed_at in found}

    def expel(self, owners: Collection[str]) -> None:
        """Ends all claims of some owners."""
        self._changing(lambda connection: [connection.execute(step, (_json(list(owners)),)) for step in _EXPEL])

    def give_back(self, owner: str, keys: Sequence[str]) -> None:
        """Ends claims of an owner."""
        self._changing(lambda connection: connection.execute(_GIVE_BACK, (_json(list(map(_short, keys))), owner)))

    def renew(self, owner: str) -> None:
        """Renews all claims of an owner."""
        self._changing(lambda connection: connection.execute(_REGISTER, (owner, time.time())).fetchall())

    def close(self) -> None:
        """Closes; harmless when closed already."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _sweep(self, connection: sqlite3.Connection, before: float) -> None:
        connection.execute("DELETE FROM claims WHERE owner IN (SELECT id FROM owners WHERE renewed_at < ?)", (before,))
        connection.execute("DELETE FROM owners WHERE renewed_at < ?", (before,))

    def _changing(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        """Returns what an action gives, done as one transaction; a damaged file is begun anew, once."""
        with self._lock, reported(self._path):
            try:
                return self._once(action)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._begin_anew()
                return self._once(action)

    def _once(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        if self._connection is None:
            self._connection = self._open()
        with transaction(self._connection):
            return action(self._connection)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous=OFF")
            # What is deleted holds no secret, and SQLite as some systems build it would write zeros over it.
            connection.execute("PRAGMA secure_delete=OFF")
            set_wal(connection, self._path)
            with transaction(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin_anew(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for end in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)


def _short(key: str) -> str:
    """Returns the end of a key, by which it is known here: a third of the pages to write, and still no two alike."""
    return key[-SHORT_CHARACTERS:]


def _json(texts: list[str]) -> str:
    return orjson.dumps(texts).decode()
