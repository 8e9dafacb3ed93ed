"""Claims in PostgreSQL: for the jobs of many machines, by the server's clock.

Contract: as `calls.claims` says. Keys are written in their order, so that two jobs that claim the same ones at once do
not wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dreamsmk.calls.caching.postgres_session import Connection, Session

# A claim that others give back while it is looked at is tried for again, so often at most.
_ATTEMPTS = 3
_REGISTER = """
insert into dreamsmk_owners values (%s, clock_timestamp())
on conflict (owner) do update set renewed_at = excluded.renewed_at
"""
_TAKE = """
insert into dreamsmk_claims select key, %s from unnest(%s::text[]) as key order by key on conflict (key) do nothing
"""
_HOLDERS = "select key, owner from dreamsmk_claims where key = any(%s)"
_AGES = """
select owner, extract(epoch from clock_timestamp() - renewed_at)::float8 from dreamsmk_owners where owner = any(%s)
"""
_OLD = "select owner from dreamsmk_owners where renewed_at < clock_timestamp() - make_interval(secs => %s)"


class PostgresClaims:
    """The claims on the calls of one database; implements `ClaimBook`.

    Args:
        session: The connection; it is closed by whoever opened it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, owner: str, keys: Sequence[str]) -> dict[str, str]:
        """Writes down the free ones of some keys as the owner's; returns whose the others are."""
        wanted = list(dict.fromkeys(keys))

        def take(connection: Connection) -> dict[str, str]:
            connection.execute(_REGISTER, (owner,))
            for _ in range(_ATTEMPTS):
                if connection.execute(_TAKE, (owner, wanted)).rowcount == len(wanted):
                    return {}
                holders: dict[str, str] = dict(connection.execute(_HOLDERS, (wanted,)).fetchall())
                if len(holders) == len(wanted):
                    break
            # What nobody holds by now was given back a moment ago; whoever wants it asks again.
            return {key: holders.get(key, "") for key in wanted if holders.get(key) != owner}

        return self._session.run(take)

    def sweep(self, older_than_seconds: float) -> None:
        """Ends all claims that were not renewed for so long."""
        self.expel(
            [owner for (owner,) in self._session.run(lambda c: c.execute(_OLD, (older_than_seconds,)).fetchall())]
        )

    def ages(self, owners: Collection[str]) -> dict[str, float]:
        """Returns for how many seconds owners have not renewed their claims."""
        return dict(self._session.run(lambda connection: connection.execute(_AGES, (list(owners),)).fetchall()))

    def expel(self, owners: Collection[str]) -> None:
        """Ends all claims of some owners."""
        if not owners:
            return
        for table in ("dreamsmk_claims", "dreamsmk_owners"):
            statement = f"delete from {table} where owner = any(%s)".encode()
            self._session.run(lambda connection, text=statement: connection.execute(text, (list(owners),)))  # type: ignore[misc]  # mypy infers no default of a lambda

    def give_back(self, owner: str, keys: Sequence[str]) -> None:
        """Ends claims of an owner."""
        statement = "delete from dreamsmk_claims where owner = %s and key = any(%s)"
        self._session.run(lambda connection: connection.execute(statement, (owner, list(keys))))

    def renew(self, owner: str) -> None:
        """Renews all claims of an owner."""
        self._session.run(lambda connection: connection.execute(_REGISTER, (owner,)))

    def close(self) -> None:
        """Leaves the connection to the cache that it belongs to."""
