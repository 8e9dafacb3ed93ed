"""Opens the call cache that a config or a command names: a file, or the URL of a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

from dreamsmk.calls.caching.cache import CallCache
from dreamsmk.calls.caching.sqlite_cache import SqliteCallCache
from dreamsmk.errors import MissingExtra

SCHEMES = ("postgresql://", "postgres://")


def is_url(where: str | Path) -> bool:
    """Tells whether a cache is named by the URL of a database rather than by the path of a file."""
    return isinstance(where, str) and where.startswith(SCHEMES)


def is_there(where: str | Path) -> bool:
    """Tells whether a cache can be opened without making a file; a database is taken to be there."""
    return is_url(where) or Path(where).exists()


def open_cache(where: str | Path) -> CallCache:
    """Returns an open call cache, made where there is none.

    Args:
        where: The path of a file, or `postgresql://user@host:port/database`.

    Raises:
        CacheError: It cannot be opened or written, is damaged, or is of a newer version.
        MissingExtra: The package for PostgreSQL is not installed.
    """
    if not is_url(where):
        return SqliteCallCache(where)
    try:
        from dreamsmk.calls.caching.postgres_cache import PostgresCallCache
    except ImportError as exc:
        raise MissingExtra("psycopg", "postgres") from exc
    return PostgresCallCache(str(where))
