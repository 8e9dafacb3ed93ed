"""One connection to a PostgreSQL server, made anew where it was lost.

Contract: an action runs to its end or raises `CacheError`. While the server is away it is tried again, for a bounded
time, so that every action must be one that may be done twice. A password comes from `PGPASSWORD` or `~/.pgpass` alone,
and no message shows one.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg import conninfo, errors

from dreamsmk.errors import CacheError

# A server that is restarted, or moved to another machine, is waited for.
RECONNECT_SECONDS = 120.0
# One that has not answered yet in this process may be none at all.
FIRST_CONNECT_SECONDS = 10.0
FIRST_DELAY_SECONDS = 0.05
MOST_DELAY_SECONDS = 3.0
# Sent where nothing else is, so that a peer that has vanished is noticed.
# Any: libpq's own parameters, beside those that psycopg names.
_KEEPALIVES: dict[str, Any] = {"keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 4}
# What passes by itself although the connection holds.
_PASSING = (errors.DeadlockDetected, errors.SerializationFailure, errors.CannotConnectNow, errors.TooManyConnections)
# Words of a server, or of the way to it, that may be there in a moment.
_SOON = (
    "refused",
    "no such file",
    "timeout",
    "timed out",
    "starting up",
    "not yet accepting",
    "in recovery mode",
    "shutting down",
    "too many",
    "slots",
    "closed the",
    "reset",
)
_SECRETS = ("password", "sslpassword")
_PASSWORD_HINT = "put the password into PGPASSWORD or ~/.pgpass"
_START_HINT = "start the server, or correct the host and the port of the URL"
# Text in PostgreSQL's messages, and what to do about it.
_HINTS = (
    ("password", _PASSWORD_HINT),
    ("does not exist", "make the role and the database, or name others in the URL"),
    ("refused", _START_HINT),
    ("no such file", _START_HINT),
    ("too many", "raise max_connections of the server: each job needs one"),
    ("slots", "raise max_connections of the server: each job needs one"),
    ("permission denied", "let the role create tables in the database, or make it their owner"),
    ("read-only", "give the URL of the primary server"),
    ("no space", "free some space on the server; every reply stored so far is kept"),
)

Result = TypeVar("Result")
# Any: the rows of a connection.
Connection = psycopg.Connection[tuple[Any, ...]]


class Session:
    """A connection to one database.

    Args:
        url: `postgresql://user@host:port/database`, with whatever libpq takes behind `?`.
        prepare: What a new connection is made ready with.
        patience_seconds: How long a server that has gone away is waited for; not again where that was in vain.

    Attributes:
        where: The URL as messages show it.

    Raises:
        CacheError: The URL is none, or holds a password.
    """

    def __init__(
        self, url: str, prepare: Callable[[Connection], None], *, patience_seconds: float = RECONNECT_SECONDS
    ) -> None:
        self.where = shown_url(url)
        self._url = url
        self._prepare = prepare
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._has_connected = False
        self._full_patience_seconds = patience_seconds
        self._patience_seconds = FIRST_CONNECT_SECONDS
        self._is_closed = False

    def run(self, action: Callable[[Connection], Result]) -> Result:
        """Returns what an action gives; it may be run more than once.

        Raises:
            CacheError: The server said no, or was away for too long.
        """
        with self._lock:
            delay_seconds, ends_at = FIRST_DELAY_SECONDS, 0.0
            while True:
                try:
                    return action(self._connected())
                except psycopg.Error as exc:
                    if not self._is_passing(exc):
                        raise self._error(exc) from exc
                    ends_at = ends_at or time.monotonic() + self._patience_seconds
                    if time.monotonic() >= ends_at:
                        self._patience_seconds = 0.0
                        raise self._error(exc) from exc
                    self._disconnect()
                time.sleep(delay_seconds * random.uniform(0.5, 1.0))
                delay_seconds = min(2 * delay_seconds, MOST_DELAY_SECONDS)

    def close(self) -> None:
        """Closes the connection; harmless when closed already."""
        with self._lock:
            self._is_closed = True
            self._disconnect()

    def _connected(self) -> Connection:
        if self._is_closed:
            raise CacheError("the call cache is closed", where=self.where)
        if self._connection is None:
            # No prepared statements: a pooler between us and the server may hand each transaction to another one.
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=10,
                application_name="dreamsmk",
                client_encoding="utf8",
                tcp_user_timeout=60_000,
                **_KEEPALIVES,
            )
            try:
                connection.execute("set synchronous_commit = on")
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._has_connected = True
            self._patience_seconds = self._full_patience_seconds
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _is_passing(self, exc: psycopg.Error) -> bool:
        if isinstance(exc, _PASSING):
            return True
        if not isinstance(exc, (psycopg.OperationalError, psycopg.InterfaceError)):
            return False
        if self._connection is not None:
            return self._connection.closed
        # It could not be made. Where there was one before, the server is taken to come back.
        return self._has_connected or any(sign in str(exc).lower() for sign in _SOON)

    def _error(self, exc: psycopg.Error) -> CacheError:
        words = " ".join(str(exc).split())
        secret = os.environ.get("PGPASSWORD")
        words = words.replace(secret, "…") if secret else words
        hint = next((hint for sign, hint in _HINTS if sign in words.lower()), "")
        return CacheError(f"the call cache cannot be used: {words}", where=self.where, hint=hint)


def shown_url(url: str) -> str:
    """Returns a URL as messages show it: without whatever could be a secret.

    Raises:
        CacheError: It is no URL of a PostgreSQL database, or it holds a password.
    """
    bare = url.split("://", 1)[0]
    try:
        parts = urlsplit(url)
        names = parse_qs(parts.query).keys()
        has_secret = parts.password is not None or any(name in _SECRETS for name in names)
    except ValueError:
        has_secret = False
    if has_secret:
        raise CacheError("the URL of the call cache holds a password", where=f"{bare}://…", hint=_PASSWORD_HINT)
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The library's words repeat parts of the URL, and nobody knows of which kind they are.
        given = {}
    if bare not in ("postgresql", "postgres") or not given:
        raise CacheError(
            "the call cache has a URL that cannot be read",
            where=f"{bare[:20]}://…",
            hint="write postgresql://user@host:port/database",
        )
    user, host, port = (given.get(name) for name in ("user", "host", "port"))
    place = f"{user}@" if user else ""
    return f"postgresql://{place}{host or 'localhost'}{f':{port}' if port else ''}/{given.get('dbname') or ''}"
