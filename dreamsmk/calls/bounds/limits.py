"""The rates that one model's spec sets: requests and tokens per minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from dreamsmk.calls.bounds.estimates import Estimates
from dreamsmk.calls.bounds.limits_file import LimitsFile
from dreamsmk.calls.bounds.pace import PERIOD_SECONDS, OwnBook, Pace, PaceBook, SharedBook
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec

# Waits some seconds; false where nothing more is to be sent.
Pause = Callable[[float], Awaitable[bool]]


class Limits:
    """Holds the rates of a model, over all jobs that share a file.

    Args:
        spec: The model spec.
        file: What the jobs share; None for this process alone.
        period_seconds: What the spec calls a minute.
    """

    def __init__(
        self, spec: ModelSpec, file: LimitsFile | None = None, *, period_seconds: float = PERIOD_SECONDS
    ) -> None:
        book: PaceBook = OwnBook() if file is None else SharedBook(file)
        name = f"{spec.provider} {spec.base_url or ''} {spec.model}"
        self._requests: Pace | None = None
        self._tokens: Pace | None = None
        if spec.requests_per_minute is not None:
            self._requests = Pace(f"{name} requests", spec.requests_per_minute, book, period_seconds=period_seconds)
        if spec.tokens_per_minute is not None:
            self._tokens = Pace(f"{name} tokens", spec.tokens_per_minute, book, period_seconds=period_seconds)
        self._estimates = Estimates()
        self._waiting = 0
        self._lock: asyncio.Lock | None = None

    @classmethod
    def of(cls, spec: ModelSpec, file: LimitsFile | None = None) -> Limits | None:
        """Returns the limits of a spec; None where it sets none."""
        has_none = spec.requests_per_minute is None and spec.tokens_per_minute is None
        return None if has_none else cls(spec, file)

    async def enter(self, requests: Sequence[Request], pause: Pause, gate: Callable[[], Awaitable[bool]]) -> int | None:
        """Waits until requests may be sent, as one.

        One at a time stands between the rates and the gate: those behind take their time only when it is gone, so that
        nothing gathers in between and bursts out.

        Returns:
            The tokens that were expected; None where nothing more is to be sent.
        """
        self._lock = self._lock or asyncio.Lock()
        self._waiting += 1
        try:
            async with self._lock:
                if not await pause(0.0):
                    # Time that others could use is not taken for nothing.
                    return None
                tokens = self._estimates.mean(requests)
                for pace, amount in ((self._tokens, tokens), (self._requests, 1)):
                    if pace is not None:
                        start = pace.take(amount, amount * self._waiting)
                        if not await pause(start - time.time()):
                            return None
                return tokens if await gate() else None
        finally:
            self._waiting -= 1

    def correct(self, expected: int, responses: Sequence[Response]) -> None:
        """Says what the replies really took."""
        for response in responses:
            self._estimates.note(response)
        if self._tokens is not None:
            used = sum(reply.usage.input_tokens + reply.usage.output_tokens for reply in responses)
            self._tokens.correct(expected, used)
