"""How a rule uses the call cache: `cache: read|write|off|offline`.

    (absent)  replies are read, and new ones are kept
    read      replies are read, and new ones are not kept
    write     everything is asked anew, once, and kept in the place of what is stored
    off       neither
    offline   every reply must be stored; a call that is not is an error, and nothing is ever asked

Contract: what keeps nothing claims nothing, for nobody could take over its reply. Offline, no provider is opened, so
that neither its package nor an API key is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from dreamsmk.calls.caching.cache import CallCache, Replies
from dreamsmk.calls.caching.fresh import FreshReplies
from dreamsmk.calls.caching.nearest import call_differences, nearest_call
from dreamsmk.errors import OfflineMiss
from dreamsmk.requests import Request, Response

CacheMode = Literal["read", "write", "off", "offline"]

_SHOWN_DIFFERENCES = 3
_SHOWN_KEY = 19


def in_mode(cache: CallCache, mode: CacheMode | None, *, since: str | None = None) -> Replies:
    """Returns a cache as a job uses it.

    Args:
        cache: The cache.
        mode: How it is used; None for the usual way.
        since: The moment (ISO 8601) before which replies count as missing, where all is to be asked again.
    """
    if mode == "offline":
        return OfflineReplies(cache)
    if mode == "write" and since is None:
        since = datetime.now(UTC).isoformat()
    replies = cache if since is None else FreshReplies(cache, since)
    return UnkeptReplies(replies, is_read=mode == "read") if mode in ("read", "off") else replies


class UnkeptReplies:
    """A cache that nothing new goes into.

    Args:
        replies: The cache.
        is_read: Whether what it has is read.
    """

    def __init__(self, replies: Replies, *, is_read: bool) -> None:
        self._replies = replies
        self._is_read = is_read

    def get_many(self, keys: Sequence[str]) -> dict[str, Response]:
        """Returns the replies that are stored, by key; none where nothing is read."""
        return self._replies.get_many(keys) if self._is_read else {}

    def put(
        self,
        key: str,
        request: Request,
        response: Response,
        *,
        rule: str = "",
        body: bytes | None = None,
        replaces: bool = False,
    ) -> None:
        """Keeps nothing."""

    def flush(self) -> None:
        """Waits for nothing."""

    def refuse(self, requests: Sequence[Request]) -> None:
        """Lets every request be asked."""

    def claim(self, keys: Sequence[str], *, anew: bool = False) -> set[str]:
        """Lets every call be made; another process that wants the same one is not made to wait."""
        return set(keys)

    def release(self, keys: Sequence[str]) -> None:
        """Has nothing to give up."""


class OfflineReplies(UnkeptReplies):
    """A cache that every reply must come from.

    Args:
        cache: The cache.
    """

    def __init__(self, cache: CallCache) -> None:
        super().__init__(cache, is_read=True)
        self._cache = cache

    def refuse(self, requests: Sequence[Request]) -> None:
        """Raises `OfflineMiss`, which names the stored call that is nearest to the first of some requests."""
        if requests:
            raise OfflineMiss(
                f"offline: {_count(len(requests))} not in the call cache, and nothing may be asked",
                where=f"model {requests[0].model.model}, key {requests[0].key()}",
                hint=self._hint(requests[0]),
            )

    def claim(self, keys: Sequence[str], *, anew: bool = False) -> set[str]:
        """Grants nothing: no call is ever made."""
        return set()

    def _hint(self, request: Request) -> str:
        nearest = nearest_call(self._cache, request)
        if nearest is None:
            return "the call cache is empty: run once without offline, or import one with dreamsmk cache import"
        found = call_differences(nearest.request, request.canonical())
        shown, more = "; ".join(found[:_SHOWN_DIFFERENCES]), len(found) - _SHOWN_DIFFERENCES
        by = f" by rule {nearest.rule}" if nearest.rule else ""
        shown += f"; and {more} more" if more > 0 else ""
        return f"the nearest stored call, {nearest.key[:_SHOWN_KEY]}…{by}, differs (stored -> wanted) in {shown}"


def _count(calls: int) -> str:
    return "a call is" if calls == 1 else f"{calls:,} calls or more are"
