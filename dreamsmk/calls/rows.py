"""One row on its way to its reply, and how requests are read from their source."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from dreamsmk.requests import Failure, Request, Response

# Keys that are looked up at once: few at first, so that the first request is soon on its way.
FIRST_READ_ROWS = 64
MAX_READ_ROWS = 1024
# Requests that are slow to come are not gathered for longer than this.
READ_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class Row:
    """One row that the first look into the cache did not settle.

    Attributes:
        number: Its place among the requests, from 0.
        request: What is asked for it now: at first its own request, later what a judge goes on with.
        round: How many replies it had before.
        outcome: Its reply or its failure, once it is known.
    """

    number: int
    request: Request
    round: int = 0
    outcome: Response | Failure | None = None


class RequestReader:
    """Reads requests in groups that grow, and never waits long for one that is slow to come.

    Attributes:
        rows: How many requests the next group has, at most.
        read: How many requests were read.
        is_exhausted: Whether there are no more.
    """

    def __init__(self, source: Iterator[Request]) -> None:
        self._source = source
        self.rows = FIRST_READ_ROWS
        self.read = 0
        self.is_exhausted = False

    def next_group(self) -> list[Request]:
        """Returns some requests, at least one unless there are no more."""
        taken: list[Request] = []
        deadline = time.monotonic() + READ_SECONDS
        while len(taken) < self.rows and (not taken or time.monotonic() < deadline):
            request = next(self._source, None)
            if request is None:
                self.is_exhausted = True
                break
            taken.append(request)
        self.rows = min(2 * self.rows, MAX_READ_ROWS)
        self.read += len(taken)
        return taken
