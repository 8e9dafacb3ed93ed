"""How many requests may be in flight, and when: the whole window slows down when the service says so.

Contract: after a 429 nothing is sent until the time that the service asked for is over, or without one, a time that
doubles from burst to burst. The number in flight is halved once a burst: a 429 for a request that was sent before the
last cut belongs to the same burst. It grows again, by an eighth of the window for each window's worth of replies.
"""

from __future__ import annotations

import asyncio
from collections import deque

CUT = 0.5
GROWTH = 1 / 8


class Gate:
    """Lets requests through; everything runs on the loop.

    Args:
        size: The most requests in flight.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._limit = float(size)
        self._in_flight = 0
        # When a cool-down ends; 0 where there is none.
        self._open_at = 0.0
        self._cut_at = 0.0
        self._is_closed = False
        self._waiters: deque[asyncio.Future[bool]] = deque()
        # Bursts of 429 since the last reply.
        self.bursts = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return max(int(self._limit), 1)

    async def enter(self) -> bool:
        """Waits until a request may be sent, and counts it; false where nothing more is to be sent."""
        if self._is_closed:
            return False
        if not self._waiters and self._in_flight < self.limit and not self._open_at:
            self._in_flight += 1
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiters.append(waiter)
        # Whoever is woken has been counted already, so that nobody who came later is faster.
        while await waiter:
            if not self._open_at:
                return True
            # The service asked for time just now.
            self._in_flight -= 1
            waiter = loop.create_future()
            self._waiters.appendleft(waiter)
        return False

    def leave(self) -> None:
        """Says that a request that was let through is no longer in flight; after `cool_down`, where that is said."""
        self._in_flight -= 1
        self._wake()

    def succeed(self) -> None:
        """Says that a request was answered."""
        self.bursts = 0
        if self._limit < self._size:
            self._limit = min(self._limit + self._size * GROWTH / self._limit, float(self._size))
            self._wake()

    def slow_down(self, sent_at: float) -> None:
        """Says that a request, sent at a moment of the loop's clock, got a 429."""
        if sent_at >= self._cut_at:
            self._limit = max(self._limit * CUT, 1.0)
            self._cut_at = asyncio.get_running_loop().time()
            self.bursts += 1

    def cool_down(self, seconds: float) -> None:
        """Lets nothing through for some seconds."""
        loop = asyncio.get_running_loop()
        if loop.time() + seconds > self._open_at:
            self._open_at = loop.time() + seconds
            loop.call_at(self._open_at, self._reopen, self._open_at)

    def close(self) -> None:
        """Lets nothing through any more."""
        self._is_closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(False)
        self._waiters.clear()

    def _reopen(self, at: float) -> None:
        # Not so where the service has asked for more time since.
        if at == self._open_at:
            self._open_at = 0.0
            self._wake()

    def _wake(self) -> None:
        if self._open_at:
            return
        while self._waiters and self._in_flight < self.limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._in_flight += 1
                waiter.set_result(True)
