"""What was last put at each path: one SQLite file, read whole in milliseconds.

Contract: a path is named relative to the home's folder, so that a project that was moved keeps what it knew. The file
is a convenience: where a line of it is lost, a record is still found by the content of its output; a damaged file is
begun anew. A newer version than this code knows is a `StoreError`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dreamsmk.errors import StoreError
from dreamsmk.hashing.signatures import is_network_device
from dreamsmk.store.home import Home

VERSION = 1
_BUSY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS placements (
    name BLOB PRIMARY KEY,      -- the path, relative to the home's folder where it is below it
    path TEXT NOT NULL,         -- as the rule gave it
    at TEXT NOT NULL,           -- absolute
    fingerprint TEXT NOT NULL,
    digest TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Placement:
    """An output of a fingerprint that was put at a path.

    Attributes:
        path: The path as the rule gave it.
        at: The absolute path at that time.
    """

    path: str
    at: str
    fingerprint: str
    digest: str


class Placements:
    """The placements of a home; for any number of threads and processes.

    Args:
        path: The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._root = path.parent.parent
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process_id = 0

    def put(self, placements: Iterable[Placement]) -> None:
        """Notes what stands at these paths now."""
        rows = [
            (self._name(Path(placed.at)), _text(placed.path), _text(placed.at), placed.fingerprint, placed.digest)
            for placed in placements
        ]
        with self._lock, self._opened() as connection:
            connection.executemany("INSERT OR REPLACE INTO placements VALUES (?, ?, ?, ?, ?)", rows)

    def at(self, path: Path) -> Placement | None:
        """Returns what was last put at a path."""
        if not self._path.exists():
            return None
        query = "SELECT path, at, fingerprint, digest FROM placements WHERE name = ?"
        with self._lock, self._opened() as connection:
            row = connection.execute(query, (self._name(path.absolute()),)).fetchone()
        return Placement(*row) if row else None

    def all(self) -> Iterator[Placement]:
        """Yields all of them, by name."""
        if not self._path.exists():
            return
        with self._lock, self._opened() as connection:
            rows = connection.execute("SELECT path, at, fingerprint, digest FROM placements ORDER BY name").fetchall()
        yield from (Placement(*row) for row in rows)

    def snapshot(self) -> PlacementSnapshot:
        """Returns all of them as they are now, to be asked many times."""
        if not self._path.exists():
            return PlacementSnapshot(self._root, {})
        with self._lock, self._opened() as connection:
            rows = connection.execute("SELECT name, fingerprint, digest FROM placements").fetchall()
        return PlacementSnapshot(self._root, {name: (fingerprint, digest) for name, fingerprint, digest in rows})

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None or self._process_id != os.getpid():
            self._connection, self._process_id = self._connect(), os.getpid()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._begin()
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.OperationalError):
                raise StoreError(f"cannot open: {exc}", where=str(self._path), hint="check permissions") from exc
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self._path}{suffix}")
        return self._begin()

    def _begin(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
        if not is_network_device(os.stat(self._path).st_dev):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"this file has version {version}, and this dreamsmk knows up to {VERSION}",
                where=str(self._path),
                hint="upgrade dreamsmk, or set DREAMSMK_HOME to another folder",
            )
        with connection:
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        return connection

    def _name(self, absolute: Path) -> bytes:
        return _relative(self._root, absolute)


@dataclass(frozen=True, slots=True)
class PlacementSnapshot:
    """The placements of one moment: fingerprint and digest by the name of the path."""

    root: Path
    placed: dict[bytes, tuple[str, str]]

    def at(self, path: Path) -> tuple[str, str] | None:
        """Returns the fingerprint and the digest of what was last put at a path."""
        return self.placed.get(_relative(self.root, path.absolute()))


@cache
def open_placements(home: Home) -> Placements:
    """Returns the placements of a home, opened once a process."""
    return Placements(home.placements)


def _relative(root: Path, absolute: Path) -> bytes:
    start, whole = os.fsencode(root).rstrip(b"/") + b"/", os.fsencode(absolute)
    return whole[len(start) :] if whole.startswith(start) else whole


def _text(path: str) -> str:
    """Returns a path as SQLite can keep it: bytes that are no UTF-8 are written as escapes."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
