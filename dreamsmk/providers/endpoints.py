"""The endpoints that serve one model, and which of them gets the next request.

Contract: the one with the fewest requests in flight. One that cannot be reached or answers 5xx rests for a while, twice
as long each time, and is then tried with a single request before it shares the load again. Where all of them rest, the
one whose rest ends first is asked: with a single endpoint there is nothing to choose.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dreamsmk.errors import ServiceUnavailable

FIRST_REST_SECONDS = 2.0
LONGEST_REST_SECONDS = 60.0


@dataclass(slots=True)
class Endpoint:
    """One of the addresses.

    Attributes:
        url: Where it is, without a slash at the end.
        in_flight: How many requests it has not answered yet.
        failures: How often in a row it was of no use.
        rests_until: When it may be asked again, by the monotonic clock.
    """

    url: str
    in_flight: int = 0
    failures: int = 0
    rests_until: float = 0.0

    def is_ready(self, now: float) -> bool:
        """Whether it may be asked: it works, or it has rested and nobody is trying it out."""
        return self.failures == 0 or (self.in_flight == 0 and now >= self.rests_until)


class Endpoints:
    """Spreads requests over endpoints.

    Args:
        urls: The addresses, at least one.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.all = [Endpoint(url.rstrip("/")) for url in urls]

    @contextmanager
    def one(self) -> Iterator[str]:
        """Lends the address of an endpoint for one request, and learns from how the request ends."""
        endpoint = self.all[0] if len(self.all) == 1 else self._choose()
        endpoint.in_flight += 1
        try:
            yield endpoint.url
        except ServiceUnavailable as error:
            # without a status it could not be reached or did not keep to the protocol
            if error.status is None or error.status >= 500:
                self._rest(endpoint)
            raise
        except asyncio.CancelledError:
            # the engine's patience was at an end: the endpoint hangs, or nobody will ask any more
            self._rest(endpoint)
            raise
        else:
            endpoint.failures = 0
        finally:
            endpoint.in_flight -= 1

    def _choose(self) -> Endpoint:
        now = time.monotonic()
        ready = [endpoint for endpoint in self.all if endpoint.is_ready(now)]
        if not ready:
            return min(self.all, key=lambda endpoint: endpoint.rests_until)
        return min(ready, key=lambda endpoint: endpoint.in_flight)

    def _rest(self, endpoint: Endpoint) -> None:
        now = time.monotonic()
        # many requests may fail at the same moment: that is one failure
        if endpoint.failures == 0 or now >= endpoint.rests_until:
            endpoint.failures += 1
            seconds = min(LONGEST_REST_SECONDS, FIRST_REST_SECONDS * 2.0 ** min(endpoint.failures - 1, 16))
            endpoint.rests_until = now + seconds
