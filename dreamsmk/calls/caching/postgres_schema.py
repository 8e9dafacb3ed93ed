"""The tables of a call cache in PostgreSQL, and their forward migration.

Contract: the tables lie in the first schema of the connection's search path and have a version. Any number of jobs may
come to an empty or an older database at once: one of them migrates it, under a lock that the others wait for. Tables of
a newer version are left as they are and reported.
"""

from __future__ import annotations

from dreamsmk.calls.caching.postgres_session import Connection
from dreamsmk.errors import CacheError

# "dsmk" in ASCII: the advisory lock of a migration.
LOCK = 0x64736D6B

# One step a version: step i brings tables of version i to version i + 1. A step, once released, never changes.
# Texts sort by their bytes, as everywhere else in dreamsmk, whatever the database's locale.
MIGRATIONS = (
    (
        "create sequence dreamsmk_calls_number",
        """
        create table dreamsmk_calls (
            number bigint not null primary key,
            key text collate "C" not null unique,
            request text not null,
            response text not null,
            created_at text collate "C" not null,
            rule text collate "C" not null,
            model text collate "C" not null,
            provider text collate "C" not null,
            base_url text collate "C",
            input_tokens bigint,
            cached_input_tokens bigint,
            output_tokens bigint,
            reasoning_tokens bigint,
            retries bigint,
            latency_seconds double precision
        )
        """,
        "create index dreamsmk_calls_by_model on dreamsmk_calls (model, number)",
        # Claims are worth nothing once the server was killed: no log of them.
        """
        create unlogged table dreamsmk_owners (
            owner text collate "C" not null primary key,
            renewed_at timestamptz not null
        )
        """,
        """
        create unlogged table dreamsmk_claims (
            key text collate "C" not null primary key,
            owner text collate "C" not null
        )
        """,
    ),
)
SCHEMA_VERSION = len(MIGRATIONS)
# Of the catalog itself: `to_regclass` answers from what this connection remembers of a moment ago.
_IS_THERE = "select count(*) from pg_class where relname = 'dreamsmk_schema' and pg_table_is_visible(oid)"


def prepare(connection: Connection, where: str) -> None:
    """Makes the tables, or brings them to the newest version.

    Args:
        connection: A connection in autocommit mode.
        where: What messages call the database.

    Raises:
        CacheError: The tables are of a newer version, or the database is not in UTF-8.
    """
    encoding = _value(connection, "show server_encoding")
    if encoding != "UTF8":
        raise CacheError(
            f"the database of the call cache is in {encoding}, which cannot hold every text",
            where=where,
            hint="make another one: createdb --encoding UTF8 --template template0",
        )
    if _version(connection, where) < SCHEMA_VERSION:
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
            # Asked again under the lock: another job may have been faster.
            version = _version(connection, where)
            connection.execute("create table if not exists dreamsmk_schema (version integer not null)")
            for step in MIGRATIONS[version:]:
                for statement in step:
                    connection.execute(statement)
            connection.execute("delete from dreamsmk_schema")
            connection.execute("insert into dreamsmk_schema values (%s)", (SCHEMA_VERSION,))


def _version(connection: Connection, where: str) -> int:
    if not _value(connection, _IS_THERE):
        return 0
    version = _value(connection, "select max(version) from dreamsmk_schema")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise CacheError(
            f"the call cache has schema version {version}, newer than {SCHEMA_VERSION}, the newest known here",
            where=where,
            hint="update dreamsmk, or give this workflow a database of its own",
        )
    return version if isinstance(version, int) else 0


def _value(connection: Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None
