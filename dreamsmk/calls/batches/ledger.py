"""The batches that were, or may have been, submitted: one SQLite file, durable before anything is sent.

Contract: a batch and all its calls stand here before the service hears of it, and the calls leave only after their
replies are in the call cache. A call is in at most one open batch. Whatever ends a process, and at whatever point, the
state of a batch says what the service may have been told: the next process finds it and submits nothing twice.

Only who holds `launching` plans a batch, submits one, or decides on one whose fate is not known.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

from dreamsmk.calls.batches.states import LedgerBatch, LedgerCall, utc_now
from dreamsmk.errors import CacheError
from dreamsmk.store import locked, try_locked

VERSION = 1
# "dsmb" in ASCII, at offset 68 of the file.
APPLICATION_ID = 0x64736D62
BUSY_SECONDS = 30.0
# SQLite's own limit of variables in a statement was once 999.
KEYS_PER_SELECT = 500

_SCHEMA = (
    """
    CREATE TABLE batches (
        uuid TEXT NOT NULL PRIMARY KEY,
        provider TEXT NOT NULL,
        base_url TEXT NOT NULL,
        model TEXT NOT NULL,
        spec TEXT NOT NULL,
        state TEXT NOT NULL,
        calls INTEGER NOT NULL,
        planned_at TEXT NOT NULL,
        submitting_at TEXT,
        input_id TEXT,
        remote_id TEXT,
        ended_at TEXT,
        answered INTEGER NOT NULL DEFAULT 0,
        words TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX batches_by_state ON batches (state)",
    """
    CREATE TABLE calls (
        key TEXT NOT NULL PRIMARY KEY,
        uuid TEXT NOT NULL,
        request TEXT NOT NULL,
        attempts INTEGER NOT NULL
    )
    """,
    "CREATE INDEX calls_by_batch ON calls (uuid)",
)
_COLUMNS = (
    "uuid, provider, base_url, model, spec, state, calls, planned_at, submitting_at, input_id, remote_id, ended_at,"
    " answered, words"
)
_OPEN = "('planned', 'submitting', 'running')"


class BatchLedger:
    """The batches of one home; for any number of threads and processes.

    Args:
        path: The SQLite file, made where there is none.

    Raises:
        CacheError: The file cannot be used, or is of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._reported():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._prepare()

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def launching(self) -> AbstractContextManager[None]:
        """Holds the right to plan and submit, waiting for it; it ends with the process."""
        return locked(self._lock_path)

    def try_launching(self) -> AbstractContextManager[bool]:
        """Holds the right to plan and submit if nobody else does, and says whether it does."""
        return try_locked(self._lock_path)

    def plan(self, batch: LedgerBatch, calls: Sequence[LedgerCall]) -> None:
        """Writes a batch down, with its calls; durable when this returns.

        Raises:
            CacheError: A call is in an open batch already.
        """
        values = (batch.uuid, batch.provider, batch.base_url, batch.model, batch.spec)
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO batches (uuid, provider, base_url, model, spec, state, calls, planned_at)"
                " VALUES (?, ?, ?, ?, ?, 'planned', ?, ?)",
                (*values, len(calls), batch.planned_at),
            )
            connection.executemany(
                "INSERT INTO calls (key, uuid, request, attempts) VALUES (?, ?, ?, ?)",
                ((call.key, batch.uuid, call.request, call.attempts) for call in calls),
            )

    def note_input(self, uuid: str, input_id: str) -> None:
        """Remembers the uploaded input file."""
        self._update(uuid, input_id=input_id)

    def note_submitting(self, uuid: str) -> None:
        """Says that from now on the service may know of the batch."""
        self._update(uuid, state="submitting", submitting_at=utc_now())

    def note_running(self, uuid: str, remote_id: str) -> None:
        """Remembers the service's id of a batch."""
        self._update(uuid, state="running", remote_id=remote_id)

    def close_batch(self, uuid: str, state: Literal["ended", "dropped"], *, answered: int = 0, words: str = "") -> None:
        """Lets go of a batch's calls: their replies are in the cache, or nobody waits for them any more."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE batches SET state = ?, ended_at = ?, answered = ?, words = ?"
                f" WHERE uuid = ? AND state IN {_OPEN}",
                (state, utc_now(), answered, words, uuid),
            )
            connection.execute("DELETE FROM calls WHERE uuid = ?", (uuid,))

    def batch(self, uuid: str) -> LedgerBatch | None:
        """Returns one batch, open or not."""
        found = self._read(f"SELECT {_COLUMNS} FROM batches WHERE uuid = ?", uuid)
        return LedgerBatch(*found[0]) if found else None

    def open_batches(self, provider: str, base_url: str) -> list[LedgerBatch]:
        """Returns the batches of one endpoint that are not at their end, the oldest first."""
        query = (
            f"SELECT {_COLUMNS} FROM batches WHERE state IN {_OPEN} AND provider = ? AND base_url = ? ORDER BY rowid"
        )
        return [LedgerBatch(*row) for row in self._read(query, provider, base_url)]

    def all(self, *, limit: int = 1000) -> list[LedgerBatch]:
        """Returns all batches, the newest first."""
        query = f"SELECT {_COLUMNS} FROM batches ORDER BY rowid DESC LIMIT ?"
        return [LedgerBatch(*row) for row in self._read(query, limit)]

    def remote_ids(self) -> set[str]:
        """Returns the ids that the services gave the batches of this ledger."""
        return {remote for (remote,) in self._read("SELECT remote_id FROM batches WHERE remote_id IS NOT NULL")}

    def calls(self, uuid: str) -> list[LedgerCall]:
        """Returns the calls of an open batch."""
        rows = self._read("SELECT key, request, attempts FROM calls WHERE uuid = ? ORDER BY rowid", uuid)
        return [LedgerCall(*row) for row in rows]

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Returns those of the keys that are in open batches, each with its batch and its attempts."""
        found: dict[str, tuple[str, int]] = {}
        for start in range(0, len(keys), KEYS_PER_SELECT):
            chunk = keys[start : start + KEYS_PER_SELECT]
            marks = ", ".join("?" * len(chunk))
            rows = self._read(f"SELECT key, uuid, attempts FROM calls WHERE key IN ({marks})", *chunk)
            found.update((key, (uuid, attempts)) for key, uuid, attempts in rows)
        return found

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def _update(self, uuid: str, **values: str) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        with self._writing() as connection:
            connection.execute(f"UPDATE batches SET {names} WHERE uuid = ?", (*values.values(), uuid))

    # Any: cells of SQLite.
    def _read(self, query: str, *values: object) -> list[Any]:
        with self._lock, self._reported():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._reported():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            raise CacheError(
                f"the ledger of batches cannot be used: {exc}",
                where=str(self.path),
                hint="make its folder writable; keep the file: it knows which batches are paid for",
            ) from exc

    def _prepare(self) -> None:
        connection = self._connection
        if self._version() != VERSION:
            # SQLite's busy timeout does not cover a change of the journal mode
            with locked(self._lock_path):
                # requests of batches that have ended leave no hole behind
                connection.execute("PRAGMA auto_vacuum=FULL")
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("BEGIN IMMEDIATE")
                # asked again under the lock: another process may have been faster
                for statement in _SCHEMA if self._version() == 0 else ():
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={VERSION}")
                connection.execute("COMMIT")
        connection.execute("PRAGMA synchronous=FULL")

    def _version(self) -> int:
        query = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
        application, version = self._connection.execute(query).fetchone()
        if application not in (0, APPLICATION_ID):
            raise CacheError("the file is no ledger of batches", where=str(self.path), hint="move it away")
        if version > VERSION:
            raise CacheError(
                f"the ledger of batches has version {version}, newer than {VERSION}, the newest known here",
                where=str(self.path),
                hint="update dreamsmk",
            )
        return int(version)
