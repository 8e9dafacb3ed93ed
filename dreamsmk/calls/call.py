"""One call on its way, and what the engine asks of whatever carries calls out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dreamsmk.calls.rows import Row
from dreamsmk.errors import ProviderError
from dreamsmk.requests import Request, Response


@dataclass(slots=True, eq=False)
class Call:
    """One distinct request that the cache has no reply for.

    Attributes:
        body: The canonical JSON of the request.
        rows: The rows that wait for it.
        attempts: How often it was sent; 0 where the reply came from elsewhere.
        response: The reply, once there is one.
        error: Why there will be none.
    """

    key: str
    request: Request
    body: bytes
    rows: list[Row] = field(default_factory=list)
    attempts: int = 0
    response: Response | None = None
    error: ProviderError | None = None

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

    def collect(self, *, wait_seconds: float) -> list[Call]:
        """Returns the calls that were done since the last time.

        Args:
            wait_seconds: How long to wait for one where there is none: 0 for not at all, infinite for as long as it
                takes. Nothing is waited for where nothing is on its way. What computes in the calling thread may take
                as long as it needs for one reply.
        """
        ...

    def stop(self, grace_seconds: float | None) -> None:
        """Sends nothing more and waits for what is on its way, `grace_seconds` at most."""
        ...
