"""Calls to a service: a bounded window of requests in flight, and no barrier anywhere.

Contract: at most `spec.max_concurrency` requests are in flight, as many as that whenever there is work for them, and
each reply is kept the moment that it arrives. A slow reply takes up one place of the window and nothing else. After a
failure that every further request would share, nothing more is sent.

The calling thread and the loop meet in two places only, for many calls at a time: `submit` hands calls over, `collect`
takes them back.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import Sequence

from dreamsmk.calls.background import BackgroundLoop, background_loop
from dreamsmk.calls.bounds.limits import Limits
from dreamsmk.calls.bounds.spending import Spending
from dreamsmk.calls.call import Call, Keep
from dreamsmk.calls.retry import RetryPolicy
from dreamsmk.calls.sending import Sender
from dreamsmk.providers.base import ServiceProvider

# Rows that may be read beyond the first one that has no reply yet: a reply may take this many times longer than the
# others before it holds them up. What is held of them is their requests and replies.
LOOKAHEAD_ROWS = 8192
LOOKAHEAD_WINDOWS = 64
# How long replies are gathered before the calling thread is woken up.
NOTIFY_SECONDS = 0.005


class ServiceWindow:
    """Carries calls out at a service.

    Args:
        provider: Whom to ask; its spec says how many at a time, how long and how often.
        keep: Puts a reply in the cache; called on the loop, so it must not wait.
        policy: When to ask again; by default as the spec says.
        limits: The rates to hold.
        spending: The budgets to hold.
    """

    def __init__(
        self,
        provider: ServiceProvider,
        keep: Keep,
        policy: RetryPolicy | None = None,
        *,
        limits: Limits | None = None,
        spending: Spending | None = None,
    ) -> None:
        spec = provider.spec
        self.lookahead_rows = max(LOOKAHEAD_ROWS, LOOKAHEAD_WINDOWS * spec.max_concurrency)
        self._size = spec.max_concurrency
        self._provider = provider
        # Rates and budgets are held call by call.
        self._texts_at_once = provider.texts_at_once if limits is None and spending is None else 1
        self._calls_at_once = self._texts_at_once
        self._background: BackgroundLoop = background_loop()
        # Of the calling thread.
        self._submitted = 0
        self._collected = 0
        # Of the loop.
        self._queue: deque[Call] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        # Workers that will look into the queue again; one that has ended is among `_workers` a little longer.
        self._working = 0
        self._is_stopping = False
        self._sender = Sender(
            provider,
            keep,
            policy or RetryPolicy(spec.max_retries),
            limits=limits,
            spending=spending,
            halt=self._halt,
            park=self._park,
        )
        self._done: list[Call] = []
        self._is_notifying = False
        # Of both.
        self._changed = threading.Condition()
        self._arrived: list[Call] = []
        self._crash: BaseException | None = None
        self._background.on_exit(self)

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more will be sent."""
        return self._is_stopping

    def has_room(self) -> bool:
        """Whether the queue behind the window is short."""
        return self._submitted - self._collected < 2 * self._size * self._calls_at_once

    def submit(self, calls: Sequence[Call]) -> None:
        """Takes calls over; they are sent in order."""
        self._submitted += len(calls)
        is_text = calls[0].request.wanted is None
        self._calls_at_once = self._texts_at_once if is_text else self._provider.rows_at_once
        self._background.loop.call_soon_threadsafe(self._accept, calls)

    def collect(self, *, wait_seconds: float) -> list[Call]:
        """Returns the calls that were done since the last time."""
        with self._changed:
            if wait_seconds and self._submitted > self._collected:
                self._changed.wait_for(self._has_news, None if wait_seconds == math.inf else wait_seconds)
            arrived, self._arrived = self._arrived, []
            if self._crash is not None:
                raise self._crash
        self._collected += len(arrived)
        return arrived

    def _has_news(self) -> bool:
        return bool(self._arrived) or self._crash is not None

    def stop(self, grace_seconds: float | None) -> None:
        """Sends nothing more, waits for the replies in flight, and gives up those that take longer."""
        if self._background.is_current():
            # The garbage collector came by on the loop's own thread, which must not wait for itself.
            self._halt()
            return
        self._background.run(self._drain(grace_seconds))

    # From here on, everything runs on the loop.

    def _accept(self, calls: Sequence[Call]) -> None:
        if self._is_stopping:
            return
        self._queue.extend(calls)
        self._start_workers()

    def _start_workers(self) -> None:
        queued = -(-len(self._queue) // self._calls_at_once)
        for _ in range(min(self._size - self._working, queued)):
            self._working += 1
            worker = self._background.loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._retire)

    async def _work(self) -> None:
        try:
            # One too many may be at work where one has waited for its next try.
            while self._queue and self._working <= self._size:
                calls = self._next_calls()
                await self._sender.carry(calls)
                # Those that were left when nothing more was to be sent have no end.
                self._done.extend(call for call in calls if call.is_done)
                if not self._is_notifying:
                    self._is_notifying = True
                    self._background.loop.call_later(NOTIFY_SECONDS, self._notify)
        finally:
            self._working -= 1

    def _next_calls(self) -> list[Call]:
        """Takes the next call, and those behind it that can be sent with it as one."""
        calls = [self._queue.popleft()]
        first = calls[0].request
        most = self._texts_at_once if first.wanted is None else self._calls_at_once
        while len(calls) < most and self._queue:
            request = self._queue[0].request
            if (request.sampling, request.wanted, request.model) != (first.sampling, first.wanted, first.model):
                break
            calls.append(self._queue.popleft())
        return calls

    def _park(self, is_parked: bool) -> None:
        """Lets another call have the place of one that waits for its next try, without being in flight."""
        if is_parked:
            self._working -= 1
            self._start_workers()
        else:
            self._working += 1

    def _retire(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if worker.cancelled():
            # By a library below the provider, unless the window is being drained: nobody else would ever hear of it.
            error: BaseException | None = None if self._is_stopping else RuntimeError("a call was cancelled")
        else:
            error = worker.exception()
        if error is not None:
            self._crash = error
            self._halt()
            self._notify()

    def _notify(self) -> None:
        self._is_notifying = False
        with self._changed:
            self._arrived.extend(self._done)
            self._done.clear()
            self._changed.notify_all()

    def _halt(self) -> None:
        self._queue.clear()
        self._is_stopping = True
        self._sender.stop()

    async def _drain(self, grace_seconds: float | None) -> None:
        self._halt()
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=grace_seconds)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._notify()
