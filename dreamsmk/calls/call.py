"""One call on its way, and what the engine asks of whatever carries calls out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dreamsmk.errors import ProviderError
from dreamsmk.requests import Request, Response


@dataclass(slots=True, eq=False)
class Call:
    """One distinct request that the cache has no reply for.

    Attributes:
        body: The canonical JSON of the request.
        rows: How many rows wait for it.
        attempts: How often it was sent.
        response: The reply, once there is one.
        error: Why there will be none.
        is_settled: Whether the engine knows of its end: the loop may have set the reply a moment before.
    """

    key: str
    request: Request
    body: bytes
    rows: int = 1
    attempts: int = 0
    response: Response | None = None
    error: ProviderError | None = None
    is_settled: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it has its reply or its error."""
        return self.response is not None or self.error is not None


# Puts the reply of a call in the cache, the moment that it arrives.
Keep = Callable[[Call], None]


class Carrier(Protocol):
    """Carries calls out. The engine uses it from one thread."""

    lookahead_rows: int

    @property
    def is_stopped(self) -> bool:
        """Whether it gave up: nothing more will be sent."""
        ...

    def has_room(self) -> bool:
        """Whether more calls would be of use now."""
        ...

    def submit(self, calls: Sequence[Call]) -> None:
        """Takes calls over; each is carried out as soon as there is room."""
        ...

    def collect(self, *, wait: bool) -> list[Call]:
        """Returns the calls that were done since the last time; with `wait`, one at least if any is on its way."""
        ...

    def stop(self, grace_seconds: float | None) -> None:
        """Sends nothing more and waits for what is on its way, `grace_seconds` at most."""
        ...
