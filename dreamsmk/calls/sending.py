"""Sending calls to a service, each until it has its reply or fails for good. Everything here runs on the loop.

Contract: what failed for now (5xx, timeouts, dropped connections) is sent again `max_retries` times, each call by its
own clock. A 429 speaks of all calls: nothing is sent until it is over, and it does not use up `max_retries`. A call
fails of it only when it has got nothing but 429 for a quarter of an hour. Calls that are sent as one and rejected are
sent again one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from dreamsmk.calls.bounds.limits import Limits
from dreamsmk.calls.bounds.spending import Spending
from dreamsmk.calls.call import Call, Keep
from dreamsmk.calls.gate import Gate
from dreamsmk.calls.retry import RetryPolicy, is_for_all
from dreamsmk.errors import ProviderError, ServiceUnavailable
from dreamsmk.providers.base import ServiceProvider
from dreamsmk.requests import Response

TOO_MANY_REQUESTS = 429
# What each burst of 429 without a reply between adds to the shortest wait.
DOUBT_SECONDS = 0.002


@dataclass(slots=True)
class _Tries:
    """How often calls failed for now: by 429 without a break, since a moment of the loop's clock, and otherwise."""

    failures: int = 0
    busy: int = 0
    busy_since: float = 0.0
    error: ProviderError | None = None


class Sender:
    """Sends calls to a service.

    Args:
        provider: Whom to ask.
        keep: Puts a reply in the cache; it must not wait.
        policy: When to ask again.
        limits: The rates to hold.
        spending: The budgets to hold.
        halt: Is told when nothing more is to be sent.
        park: Is told when a call begins to wait for its next try, and when it goes on.
    """

    def __init__(  # noqa: PLR0913  # half of them by keyword
        self,
        provider: ServiceProvider,
        keep: Keep,
        policy: RetryPolicy,
        *,
        limits: Limits | None,
        spending: Spending | None,
        halt: Callable[[], None],
        park: Callable[[bool], None],
    ) -> None:
        self._provider = provider
        self._keep = keep
        self._policy = policy
        self._limits = limits
        self._spending = spending
        self._halt = halt
        self._park = park
        self._gate = Gate(provider.spec.max_concurrency)
        self._stopping = asyncio.Event()
        self._reservations = 0
        self._settled = asyncio.Event()

    def stop(self) -> None:
        """Sends nothing more."""
        self._stopping.set()
        self._gate.close()
        self._settled.set()

    async def carry(self, calls: Sequence[Call]) -> None:
        """Sends calls, as one if there are several, until they have their end; leaves them when nothing is sent."""
        if self._spending is None:
            await self._carry(calls)
            return
        requests = [call.request for call in calls]
        while (reserved := self._spending.reserve(requests)) is None:
            if self._stopping.is_set():
                return
            if not self._reservations:
                calls[0].error = self._spending.error(requests)
                self._halt()
                return
            # What is in flight may take less than was reserved for it.
            self._settled.clear()
            await self._settled.wait()
        self._reservations += 1
        try:
            await self._carry(calls)
        finally:
            self._reservations -= 1
            self._spending.settle(reserved, [call.response for call in calls if call.response is not None])
            self._settled.set()

    async def _carry(self, calls: Sequence[Call]) -> None:
        is_split = await self._try(calls)
        if is_split:
            for call in calls:
                await self._try([call])

    async def _try(self, calls: Sequence[Call]) -> bool:
        """Sends calls until they have their end; true where each of them is to be tried alone."""
        tries = _Tries()
        while True:
            expected = await self._enter(calls)
            if expected is None:
                _fail(calls, tries.error)
                return False
            sent_at = asyncio.get_running_loop().time()
            try:
                replies = await self._send_once(calls)
            except ServiceUnavailable as exc:
                tries.error = exc
                if exc.status == TOO_MANY_REQUESTS:
                    # Before anybody else is let through.
                    self._slow_down(exc, sent_at)
                self._gate.leave()
                if not await self._may_try_again(tries, exc, sent_at):
                    _fail(calls, exc)
                    return False
            except ProviderError as exc:
                self._gate.leave()
                if len(calls) > 1 and not is_for_all(exc):
                    return True
                _fail(calls, exc)
                if is_for_all(exc):
                    self._halt()
                return False
            else:
                self._gate.leave()
                self._gate.succeed()
                self._accept(calls, replies)
                if self._limits is not None:
                    self._limits.correct(expected, replies)
                return False

    async def _enter(self, calls: Sequence[Call]) -> int | None:
        """Waits until calls may be sent; returns the tokens that are expected, None where nothing is to be sent."""
        if self._limits is not None:
            return await self._limits.enter([call.request for call in calls], self._pause, self._gate.enter)
        return 0 if await self._gate.enter() else None

    async def _may_try_again(self, tries: _Tries, error: ServiceUnavailable, sent_at: float) -> bool:
        """Waits as long as it takes; false where calls have failed for good."""
        if self._stopping.is_set():
            return False
        policy = self._policy
        if error.status != TOO_MANY_REQUESTS:
            tries.failures += 1
            tries.busy = 0
            if tries.failures > policy.max_retries:
                return False
            # Another call goes meanwhile.
            self._park(True)
            try:
                return await self._pause(policy.delay_seconds(tries.failures, error.retry_after_seconds))
            finally:
                self._park(False)
        tries.busy_since = tries.busy_since if tries.busy else sent_at
        tries.busy += 1
        waited = asyncio.get_running_loop().time() - tries.busy_since
        return tries.busy <= policy.max_retries or waited <= policy.patience_seconds

    def _slow_down(self, error: ServiceUnavailable, sent_at: float) -> None:
        """Lets the whole window wait as long as the service asks."""
        self._gate.slow_down(sent_at)
        seconds = self._policy.delay_seconds(self._gate.bursts, error.retry_after_seconds)
        # A service that says "at once" ever again is believed less and less.
        self._gate.cool_down(max(seconds, min(self._gate.bursts * DOUBT_SECONDS, 1.0)))

    async def _send_once(self, calls: Sequence[Call]) -> list[Response]:
        seconds = self._provider.spec.timeout_seconds
        for call in calls:
            call.attempts += 1
        try:
            # one clock a request: a second one would cost a tenth of its CPU
            if self._provider.keeps_time:
                return await self._ask(calls)
            async with asyncio.timeout(seconds):
                return await self._ask(calls)
        except TimeoutError as exc:
            raise ServiceUnavailable(
                f"no reply within {seconds:g} s", hint="raise timeout_seconds of the model"
            ) from exc

    async def _ask(self, calls: Sequence[Call]) -> list[Response]:
        if len(calls) == 1:
            return [await self._provider.complete(calls[0].request)]
        return await self._provider.complete_many([call.request for call in calls])

    def _accept(self, calls: Sequence[Call], replies: Sequence[Response]) -> None:
        for call, reply in zip(calls, replies, strict=True):
            call.response = replace(reply, retries=call.attempts - 1) if call.attempts > 1 else reply
            self._keep(call)

    async def _pause(self, seconds: float) -> bool:
        """Waits some seconds; false where nothing more is to be sent."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
        return not self._stopping.is_set()


def _fail(calls: Sequence[Call], error: ProviderError | None) -> None:
    for call in calls:
        if call.response is None:
            call.error = error
