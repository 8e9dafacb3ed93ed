"""Calls to a service: a bounded window of requests in flight, and no barrier anywhere.

Contract: at most `spec.max_concurrency` requests are in flight, as many as that whenever there is work for them, and
each reply is kept the moment that it arrives. A slow reply takes up one place of the window and nothing else. After a
failure that every further request would share, nothing more is sent.

The calling thread and the loop meet in two places only, for many calls at a time: `submit` hands calls over, `collect`
takes them back.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from dreamsmk.calls.background import BackgroundLoop, background_loop
from dreamsmk.calls.call import Call, Keep
from dreamsmk.calls.retry import RetryPolicy, is_for_all
from dreamsmk.errors import ProviderError, ServiceUnavailable
from dreamsmk.providers.base import ServiceProvider
from dreamsmk.requests import Response

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
    """

    def __init__(self, provider: ServiceProvider, keep: Keep, policy: RetryPolicy | None = None) -> None:
        spec = provider.spec
        self.lookahead_rows = max(LOOKAHEAD_ROWS, LOOKAHEAD_WINDOWS * spec.max_concurrency)
        self._provider = provider
        self._keep = keep
        self._policy = policy or RetryPolicy(spec.max_retries)
        self._timeout_seconds = spec.timeout_seconds
        self._size = spec.max_concurrency
        self._background: BackgroundLoop = background_loop()
        # Of the calling thread.
        self._submitted = 0
        self._collected = 0
        # Of the loop.
        self._queue: deque[Call] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        # Workers that will look into the queue again; one that has ended is among `_workers` a little longer.
        self._working = 0
        self._stopping = asyncio.Event()
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
        return self._stopping.is_set()

    def has_room(self) -> bool:
        """Whether the queue behind the window is short."""
        return self._submitted - self._collected < 2 * self._size

    def submit(self, calls: Sequence[Call]) -> None:
        """Takes calls over; they are sent in order."""
        self._submitted += len(calls)
        self._background.loop.call_soon_threadsafe(self._accept, calls)

    def collect(self, *, wait: bool) -> list[Call]:
        """Returns the calls that were done since the last time."""
        with self._changed:
            while wait and not self._arrived and self._crash is None and self._submitted > self._collected:
                self._changed.wait()
            arrived, self._arrived = self._arrived, []
            if self._crash is not None:
                raise self._crash
        self._collected += len(arrived)
        return arrived

    def stop(self, grace_seconds: float | None) -> None:
        """Sends nothing more, waits for the replies in flight, and gives up those that take longer."""
        if self._background.is_current():
            # The garbage collector came by on the loop's own thread, which must not wait for itself.
            self._halt()
            return
        self._background.run(self._drain(grace_seconds))

    # From here on, everything runs on the loop.

    def _accept(self, calls: Sequence[Call]) -> None:
        if self._stopping.is_set():
            return
        self._queue.extend(calls)
        for _ in range(min(self._size - self._working, len(self._queue))):
            self._working += 1
            worker = self._background.loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._retire)

    async def _work(self) -> None:
        try:
            while self._queue:
                call = self._queue.popleft()
                await self._complete(call)
                self._done.append(call)
                if not self._is_notifying:
                    self._is_notifying = True
                    self._background.loop.call_later(NOTIFY_SECONDS, self._notify)
        finally:
            self._working -= 1

    async def _complete(self, call: Call) -> None:
        """Sends one request until it has a reply or fails for good."""
        while True:
            try:
                call.attempts += 1
                call.response = await self._send_once(call)
            except ServiceUnavailable as exc:
                if self._stopping.is_set() or call.attempts > self._policy.max_retries:
                    call.error = exc
                    return
                delay = self._policy.delay_seconds(call.attempts, exc.retry_after_seconds)
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._stopping.wait()
                        call.error = exc
                        return
            except ProviderError as exc:
                call.error = exc
                if is_for_all(exc):
                    self._halt()
                return
            else:
                self._keep(call)
                return

    async def _send_once(self, call: Call) -> Response:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._provider.complete(call.request)
        except TimeoutError as exc:
            raise ServiceUnavailable(
                f"no reply within {self._timeout_seconds:g} s", hint="raise timeout_seconds of the model"
            ) from exc

    def _retire(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if worker.cancelled():
            # By a library below the provider, unless the window is being drained: nobody else would ever hear of it.
            error: BaseException | None = None if self._stopping.is_set() else RuntimeError("a call was cancelled")
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
        self._stopping.set()

    async def _drain(self, grace_seconds: float | None) -> None:
        self._halt()
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=grace_seconds)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._notify()
