"""Opening the SQLite file of a call cache: its settings, its schema and what can be wrong with it.

Contract: whatever SQLite or the file system says is a `CacheError` with a hint. A file that is not a call cache of a
version known here is never written to.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dreamsmk.calls.caching.sqlite_places import place_of
from dreamsmk.errors import CacheError

BUSY_TIMEOUT_SECONDS = 30.0
# A file of a million calls takes a minute to migrate, and others wait for it.
MIGRATION_TIMEOUT_SECONDS = 900.0
# "dsmk" in ASCII, at offset 68 of the file: tells a call cache from any other SQLite file.
APPLICATION_ID = 0x64736D6B

# Rows of a kilobyte or two fill pages of this size better than the usual ones; a file keeps the size it was made with.
PAGE_BYTES = 8192
# The log is written back in portions of 64 MiB, so that pages of the index that many keys fall on are written once.
CHECKPOINT_PAGES = 8192


_BUSY = "PRAGMA busy_timeout={:.0f}"


def _number(path: str) -> str:
    """Returns a number out of a reply; 0 where it holds an infinite one, which is JSON for Python alone."""
    return f"CASE WHEN json_valid(response) THEN coalesce(json_extract(response, '$.{path}'), 0) ELSE 0 END"


# One step a version: step i brings a file of version i to version i + 1. A step, once released, never changes.
MIGRATIONS = (
    (
        """
        CREATE TABLE calls (
            key TEXT NOT NULL PRIMARY KEY,
            request TEXT NOT NULL,
            response TEXT NOT NULL,
            created_at TEXT NOT NULL,
            rule TEXT NOT NULL,
            model TEXT NOT NULL,
            provider TEXT NOT NULL
        )
        """,
    ),
    (
        # The texts last, so that the others are read without them.
        """
        CREATE TABLE new_calls (
            key TEXT NOT NULL PRIMARY KEY,
            created_at TEXT NOT NULL,
            rule TEXT NOT NULL,
            model TEXT NOT NULL,
            provider TEXT NOT NULL,
            base_url TEXT,
            input_tokens INTEGER,
            cached_input_tokens INTEGER,
            output_tokens INTEGER,
            reasoning_tokens INTEGER,
            retries INTEGER,
            latency_seconds REAL,
            request TEXT NOT NULL,
            response TEXT NOT NULL
        )
        """,
        f"""
        INSERT INTO new_calls (
            rowid, key, created_at, rule, model, provider, base_url, input_tokens, cached_input_tokens, output_tokens,
            reasoning_tokens, retries, latency_seconds, request, response
        )
        SELECT
            rowid, key, created_at, rule, model, provider, json_extract(request, '$.model.base_url'),
            {_number("usage.input_tokens")}, {_number("usage.cached_input_tokens")},
            {_number("usage.output_tokens")}, {_number("usage.reasoning_tokens")},
            {_number("retries")}, {_number("latency_seconds")}, request, response
        FROM calls ORDER BY rowid
        """,
        "DROP TABLE calls",
        "ALTER TABLE new_calls RENAME TO calls",
        # All that statistics and the choice of calls read: they never touch the texts.
        """
        CREATE INDEX calls_by_model ON calls (
            model, provider, base_url, rule, created_at,
            input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, retries, latency_seconds
        )
        """,
    ),
    (
        # Keys by their place, see `sqlite_places`.
        """
        CREATE TABLE new_calls (
            place INTEGER NOT NULL,
            key TEXT NOT NULL,
            created_at TEXT NOT NULL,
            rule TEXT NOT NULL,
            model TEXT NOT NULL,
            provider TEXT NOT NULL,
            base_url TEXT,
            input_tokens INTEGER,
            cached_input_tokens INTEGER,
            output_tokens INTEGER,
            reasoning_tokens INTEGER,
            retries INTEGER,
            latency_seconds REAL,
            request TEXT NOT NULL,
            response TEXT NOT NULL
        )
        """,
        """
        INSERT INTO new_calls (
            rowid, place, key, created_at, rule, model, provider, base_url, input_tokens, cached_input_tokens,
            output_tokens, reasoning_tokens, retries, latency_seconds, request, response
        )
        SELECT
            rowid, place_of(key), key, created_at, rule, model, provider, base_url, input_tokens, cached_input_tokens,
            output_tokens, reasoning_tokens, retries, latency_seconds, request, response
        FROM calls ORDER BY rowid
        """,
        "DROP TABLE calls",
        "ALTER TABLE new_calls RENAME TO calls",
        "CREATE INDEX calls_by_place ON calls (place)",
        """
        CREATE INDEX calls_by_model ON calls (
            model, provider, base_url, rule, created_at,
            input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, retries, latency_seconds
        )
        """,
    ),
)
SCHEMA_VERSION = len(MIGRATIONS)

_DAMAGED_HINT = "move the file away, with its -wal and -shm files, or restore it: dreamsmk never deletes paid replies"
# Text in SQLite's own messages, and what to do about it.
_HINTS = (
    ("readonly", "make the file and its folder writable"),
    ("unable to open", "give a file in a folder that exists and is writable"),
    ("disk is full", "free some space; every reply stored so far is kept"),
    ("locked", "another process keeps the file locked: end it, or give this workflow its own cache"),
    ("not a database", _DAMAGED_HINT),
    ("malformed", _DAMAGED_HINT),
    ("disk i/o", "look for a full or failing disk; a network file system cannot hold the cache"),
)


def open_database(path: Path) -> sqlite3.Connection:
    """Returns a connection in autocommit mode to the newest schema.

    Raises:
        CacheError: The file cannot be opened or written, is damaged, is no call cache or is of a newer version.
    """
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turns what SQLite and the file system say into a `CacheError`."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        words = exc.strerror or str(exc) if isinstance(exc, OSError) else str(exc)
        hint = next((hint for sign, hint in _HINTS if sign in words.lower()), "")
        if isinstance(exc, OSError):
            hint = "give a file in a folder that exists and is writable"
        raise CacheError(f"the call cache cannot be used: {words}", where=str(path), hint=hint) from exc


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Makes what is written inside durable as one, or none of it.

    IMMEDIATE: a transaction that becomes a writing one later fails at once where another one was faster.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        abandon(connection)
        raise


def abandon(connection: sqlite3.Connection) -> None:
    """Rolls back what SQLite has not rolled back itself, as it does on a full disk."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = _version_of_ours(connection, path)
    if version is None or version < SCHEMA_VERSION:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        set_wal(connection, path)
        _migrate(connection, path)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-32768")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    # The first write of a run must not be the one that finds the file to be read-only.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _version_of_ours(connection: sqlite3.Connection, path: Path) -> int | None:
    """Returns the schema version of a call cache, or None where the file is empty."""
    # One statement, so that both come from one moment in the life of the file.
    row = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    application, version, objects = row
    if application == 0 and version == 0 and objects == 0:
        return None
    if application != APPLICATION_ID:
        raise CacheError("the file is not a call cache of dreamsmk", where=str(path), hint="give another file")
    if version > SCHEMA_VERSION:
        raise CacheError(
            f"the call cache has schema version {version}, newer than {SCHEMA_VERSION}, the newest known here",
            where=str(path),
            hint="update dreamsmk, or give this workflow its own cache",
        )
    return int(version)


def set_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Switches a file to a write-ahead log; waits for others that open it at the same moment."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as exc:
            # The busy timeout does not cover a change of the journal mode.
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise CacheError(
                f"the call cache cannot be used: its file system allows only the journal mode {mode!r}",
                where=str(path),
                hint="give a file on a disk of this machine",
            )
        return


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(_BUSY.format(1000 * MIGRATION_TIMEOUT_SECONDS))
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_BUSY.format(1000 * BUSY_TIMEOUT_SECONDS))
    connection.create_function("place_of", 1, place_of, deterministic=True)
    try:
        # Asked again under the lock: another process may have been faster.
        version = _version_of_ours(connection, path) or 0
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        abandon(connection)
        raise
