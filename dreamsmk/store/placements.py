"""What was last put at each path: one SQLite file, read whole in milliseconds.

Contract: a path is named relative to the home's folder, so that a project that was moved keeps what it knew. The file
is a convenience: where a line of it is lost, a record is still found by the content of its output; a damaged file is
begun anew. A newer version than this code knows is a `StoreError`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dreamsmk.errors import StoreError
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
        self._run(lambda c: c.executemany("INSERT OR REPLACE INTO placements VALUES (?, ?, ?, ?, ?)", rows))

    def at(self, path: Path) -> Placement | None:
        """Returns what was last put at a path."""
        query = "SELECT path, at, fingerprint, digest FROM placements WHERE name = ?"
        rows = self._read(query, self._name(path.absolute()))
        return Placement(*rows[0]) if rows else None

    def all(self) -> Iterator[Placement]:
        """Yields all of them, by name."""
        for row in self._read("SELECT path, at, fingerprint, digest FROM placements ORDER BY name"):
            yield Placement(*row)

    def snapshot(self) -> PlacementSnapshot:
        """Returns all of them as they are now, to be asked many times."""
        rows = self._read("SELECT name, fingerprint, digest FROM placements")
        return PlacementSnapshot(self._root, {name: (fingerprint, digest) for name, fingerprint, digest in rows})

    # Any: cells of SQLite.
    def _read(self, query: str, *values: object) -> list[Any]:
        if not self._path.exists():
            return []
        rows: list[Any] = self._run(lambda connection: connection.execute(query, values).fetchall())
        return rows

    # Any: what the step returns.
    def _run(self, step: Callable[[sqlite3.Connection], Any]) -> Any:
        with self._lock:
            for _ in range(2):
                try:
                    with self._opened() as connection:
                        return step(connection)
                except sqlite3.OperationalError as exc:
                    hint = "check permissions and free space"
                    raise StoreError(f"cannot use: {exc}", where=str(self._path), hint=hint) from exc
                except sqlite3.DatabaseError:
                    self._drop()
            raise StoreError("the file is damaged, again and again", where=str(self._path), hint="check the disk")

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None or self._process_id != os.getpid():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection, self._process_id = self._connect(), os.getpid()
        return self._connection

    def _drop(self) -> None:
        """Deletes a damaged file."""
        self._connection = None
        for suffix in ("", "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self._path}{suffix}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
        # no WAL, whose files a mere reader would leave behind; no fsync, since nothing here is dear
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = OFF")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"this file has version {version}, and this dreamsmk knows up to {VERSION}",
                where=str(self._path),
                hint="upgrade dreamsmk, or set DREAMSMK_HOME to another folder",
            )
        if version < VERSION:
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
