"""Claims of one pass: what this process alone may send, and what it waits for because another process is at it.

Contract: nothing is sent before it is claimed. What another process has claimed is looked for in the cache, soon and
then ever less often; when its claim lapses, it is claimed here. Whoever waits goes on sending what it has claimed
itself, so that two processes that wait for each other both get on. A claim is given up when its call fails or is
dropped; the reply of a call ends its claim by itself, and until then the cache renews it.

Where a look has found no reply, the next one hardly will: its calls are claimed before it, so that one look tells both
what is stored and what nobody else has stored meanwhile.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from dreamsmk.calls.caching.cache import Replies
from dreamsmk.calls.call import Call
from dreamsmk.requests import Response

FIRST_LOOK_SECONDS = 0.05
LOOK_SECONDS = 1.0
LOOK_GROWTH = 1.5


class AwaitedCalls:
    """Claims of one pass.

    Args:
        cache: Where replies and claims are kept.
    """

    def __init__(self, cache: Replies) -> None:
        self._cache = cache
        self._held: set[str] = set()
        # Claimed before the look that is not over yet.
        self._early: set[str] = set()
        self._is_early = False
        self._waiting: dict[str, Call] = {}
        self._delay = FIRST_LOOK_SECONDS
        self._look_at = math.inf

    def look_up(self, keys: list[str]) -> dict[str, Response]:
        """Returns the replies that are stored; `claim` is to follow for the calls that are missing."""
        if self._is_early and keys:
            early = self._cache.claim(keys, anew=True)
            self._early |= early
            self._held |= early
        found = self._cache.get_many(keys)
        if keys:
            self._is_early = not found
        return found

    def claim(self, calls: Sequence[Call]) -> list[Call]:
        """Returns those of the calls that may be sent; the others wait for another process.

        Args:
            calls: All that is missing of what was looked up since the last time.
        """
        granted, self._early = self._early, set()
        wanted = [call.key for call in calls]
        unused = granted.difference(wanted)
        if unused:
            self._held -= unused
            self._cache.release(list(unused))
        granted |= self._granted([key for key in wanted if key not in granted])
        if not granted.issuperset(wanted):
            self._waiting |= {call.key: call for call in calls if call.key not in granted}
            self._delay = FIRST_LOOK_SECONDS
            self._look_at = min(self._look_at, time.monotonic() + self._delay)
        return [call for call in calls if call.key in granted]

    def wait_seconds(self) -> float:
        """Returns how long it is to the next look; infinite where nothing is waited for."""
        return max(self._look_at - time.monotonic(), 0.0)

    def look(self) -> tuple[list[Call], list[Call]]:
        """Looks for what is waited for, if it is time.

        Returns:
            The calls whose reply has come from elsewhere, and those that may be sent here after all.
        """
        if not self._waiting or time.monotonic() < self._look_at:
            return [], []
        found = self._cache.get_many(list(self._waiting))
        arrived = [self._waiting.pop(key) for key in found]
        for call in arrived:
            call.response = found[call.key]
        granted = [self._waiting.pop(key) for key in self._granted(list(self._waiting))]
        self._delay = min(self._delay * LOOK_GROWTH, LOOK_SECONDS)
        if arrived or granted:
            self._delay = max(self._delay / 4, FIRST_LOOK_SECONDS)
        self._look_at = time.monotonic() + self._delay if self._waiting else math.inf
        return arrived, granted

    def settle(self, calls: Sequence[Call]) -> None:
        """Notes that calls have come to their end, and gives up the claims of those that failed."""
        self._held.difference_update([call.key for call in calls])
        failed = [call.key for call in calls if call.response is None]
        if failed:
            self._cache.release(failed)

    def close(self) -> None:
        """Gives up the claims of all calls that have not come to their end."""
        dropped, self._held = list(self._held), set()
        if dropped:
            self._cache.release(dropped)

    def _granted(self, keys: list[str]) -> set[str]:
        granted = self._cache.claim(keys) if keys else set()
        self._held |= granted
        return granted
