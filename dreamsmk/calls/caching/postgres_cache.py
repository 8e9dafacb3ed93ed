"""The call cache as tables of a PostgreSQL database: right for jobs on many machines.

Contract: as `calls.cache` says. Each job has one connection. A group of replies is one transaction, committed to the
server's disk (`synchronous_commit`); a server that goes away is waited for, and every action may be done twice, so that
nothing is lost and nothing stands there twice. Keys go in in their order, so that jobs that store the same ones at once
do not wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dreamsmk.calls.caching.claims import ClaimBook
from dreamsmk.calls.caching.database import COUNTS, STORED, Dialect, Row, stored_values
from dreamsmk.calls.caching.database_cache import DatabaseCallCache
from dreamsmk.calls.caching.postgres_claims import PostgresClaims
from dreamsmk.calls.caching.postgres_schema import prepare
from dreamsmk.calls.caching.postgres_session import RECONNECT_SECONDS, Connection, Session

DIALECT = Dialect(
    mark="%s",
    calls="dreamsmk_calls",
    number="number",
    has_key="key = any(%s)",
    keys=lambda keys: [list(keys)],
    begins="key >= %s AND key < %s",
    # No key has a character behind "f".
    start=lambda start: [start, f"{start}g"],
    by_key="key",
    position="strpos",
)
_NAMES = STORED
_TYPES = ("text",) * (len(STORED) - len(COUNTS)) + ("bigint",) * (len(COUNTS) - 1) + ("float8",)
# Numbers in the order of arrival, rows in the order of their keys.
_STORE = f"""
with given as materialized (
    select *, nextval('dreamsmk_calls_number') as number
    from unnest({", ".join(f"%s::{kind}[]" for kind in _TYPES)}) as given ({", ".join(_NAMES)})
)
insert into dreamsmk_calls (number, {", ".join(_NAMES)})
select number, {", ".join(_NAMES)} from given order by key, number
on conflict (key) do
"""
_INSERT = f"{_STORE} nothing".encode()
# A new number, not only new values: what was asked again is the newest.
_REPLACE = f"{_STORE} update set {', '.join(f'{name} = excluded.{name}' for name in ('number', *_NAMES))}".encode()


class PostgresCallCache(DatabaseCallCache):
    """A call cache in a PostgreSQL database; its tables are made where there are none.

    Args:
        url: `postgresql://user@host:port/database`; a password comes from `PGPASSWORD` or `~/.pgpass`.
        patience_seconds: How long a server that has gone away is waited for.

    Raises:
        CacheError: The URL is wrong or holds a password, the server cannot be reached or says no, or its tables are of
            a newer version.
    """

    def __init__(self, url: str, *, patience_seconds: float = RECONNECT_SECONDS) -> None:
        super().__init__(PostgresDatabase(url, patience_seconds=patience_seconds))


class PostgresDatabase:
    """The tables. Implements `Database`.

    Args:
        url: The URL of the database.
        patience_seconds: How long a server that has gone away is waited for.
    """

    dialect = DIALECT

    def __init__(self, url: str, *, patience_seconds: float = RECONNECT_SECONDS) -> None:
        self._session = Session(url, self._prepare, patience_seconds=patience_seconds)
        try:
            # What is wrong with the database is told now, not with the first reply.
            self._session.run(lambda connection: None)
        except BaseException:
            self._session.close()
            raise

    def book(self) -> ClaimBook:
        """Returns where claims on calls are written down."""
        return PostgresClaims(self._session)

    # Any: PostgreSQL's values.
    def select(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        return self._session.run(lambda connection: connection.execute(query.encode(), values or None).fetchall())

    def store(self, groups: Sequence[tuple[bool, Sequence[Row]]]) -> int:
        """Makes rows durable, all or none."""
        columns = [(_REPLACE if replaces else _INSERT, _columns(rows, replaces)) for replaces, rows in groups]

        def store(connection: Connection) -> int:
            with connection.transaction():
                return sum(connection.execute(statement, values).rowcount for statement, values in columns)

        return self._session.run(store)

    def delete(self, statement: str, values: Sequence[object]) -> int:
        """Deletes rows and returns how many there were."""
        return self._session.run(lambda connection: connection.execute(statement.encode(), values).rowcount)

    def vacuum(self) -> None:
        """Writes the table anew without what is free; jobs that use it meanwhile wait."""
        self._session.run(lambda connection: connection.execute("vacuum (full, analyze) dreamsmk_calls"))

    def close(self) -> None:
        """Closes the connection."""
        self._session.close()

    def _prepare(self, connection: Connection) -> None:
        prepare(connection, self._session.where)


# Any: a column is a list of texts or of numbers.
def _columns(rows: Sequence[Row], is_last_wanted: bool) -> list[list[Any]]:
    """Returns rows as one list a column; no key twice where one statement may not write it twice."""
    if is_last_wanted:
        rows = list({row.key: row for row in rows}.values())
    return [list(column) for column in zip(*map(stored_values, rows), strict=True)]
