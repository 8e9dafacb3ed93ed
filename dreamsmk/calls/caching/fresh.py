"""Asking again: a call cache that answers with nothing that was stored before a moment.

Contract: a reply that arrived before the moment counts as missing, and the new one takes its place in the cache. One
that arrived since is given like any other: jobs that are given the same moment ask for the same thing once. Times are
those of this machine's clock. A reply from the future, stored before the clock was set back, counts as missing too:
what is in doubt is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dreamsmk.calls.caching.cache import Replies
from dreamsmk.requests import Request, Response


class FreshReplies:
    """The replies of a cache that arrived since a moment; it is closed with the cache.

    Args:
        cache: Where replies are looked up and kept.
        since: The moment: ISO 8601 with its offset from UTC.
    """

    def __init__(self, cache: Replies, since: str) -> None:
        self._cache = cache
        self._since = datetime.fromisoformat(since)

    def get_many(self, keys: Sequence[str]) -> dict[str, Response]:
        """Returns the replies that are stored and fresh, by key."""
        found, now = self._cache.get_many(keys), datetime.now(UTC)
        return {
            key: reply for key, reply in found.items() if self._since <= datetime.fromisoformat(reply.created_at) <= now
        }

    def put(
        self,
        key: str,
        request: Request,
        response: Response,
        *,
        rule: str = "",
        body: bytes | None = None,
        replaces: bool = True,
    ) -> None:
        """Stores one reply in the place of the one that is stored; never waits for the disk."""
        self._cache.put(key, request, response, rule=rule, body=body, replaces=replaces)

    def flush(self) -> None:
        """Returns when every reply that was put is durable."""
        self._cache.flush()

    def refuse(self, requests: Sequence[Request]) -> None:
        """Raises where requests that have no fresh reply must not be asked."""
        self._cache.refuse(requests)

    def claim(self, keys: Sequence[str], *, anew: bool = False) -> set[str]:
        """Claims the right to make calls; an old reply is no reason against it, a fresh one is."""
        claimed = self._cache.claim(keys, anew=True)
        if claimed and not anew:
            fresh = self.get_many(list(claimed))
            self._cache.release(list(fresh))
            claimed -= fresh.keys()
        return claimed

    def release(self, keys: Sequence[str]) -> None:
        """Gives claims up."""
        self._cache.release(keys)
