"""The rows of a run that failed for good: how many there may be, and the one error of at most three lines for them.

Contract: however many rows fail, what is held of them is bounded. An identical request that failed a while ago is not
sent again in the same run; of very many failures only the latest are remembered for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dreamsmk.calls.retry import is_for_all
from dreamsmk.errors import BudgetSpent, MissingCredentials, ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.requests import Failure, Request
from dreamsmk.requests.failure import FailureKind

REASONS_SHOWN = 3
REASON_CHARACTERS = 200
KEYS_REMEMBERED = 10_000
# Shares are floats: 0.29 of 100 rows is 29 rows and not 28.999.
TOLERANCE = 1e-9
_KINDS = (BudgetSpent, MissingCredentials, RequestRejected, ServiceUnavailable)


@dataclass(frozen=True, slots=True)
class FailedRow:
    """One row that failed for good.

    Attributes:
        number: Its place among the requests, from 0.
        request: What was asked last for it.
        key: The key of that request.
        failure: Why it has no reply.
        attempts: How often that request was sent in this run; 0 where its reply came from the cache.
    """

    number: int
    request: Request
    key: str
    failure: Failure
    attempts: int


# Is told of each row that failed, in the order in which they fail.
FailureSink = Callable[[FailedRow], None]


class Failures:
    """What failed for good in one run.

    Args:
        max_failures: How many rows may fail: a number of rows, or below 1 a share of them.
        total: How many rows there are, where it is known.
        sink: Whom to tell of each.

    Attributes:
        count: How many rows failed.
        is_over: Whether more rows than allowed were passed by: whatever comes after them is not handed out.
        stopped_by: The failure after which nothing more was sent.
    """

    def __init__(self, max_failures: float = 0, total: int | None = None, sink: FailureSink | None = None) -> None:
        self.count = 0
        self.is_over = False
        self.stopped_by: ProviderError | None = None
        self._max_failures = max_failures
        self._total = total
        self._sink = sink
        self._passed = 0
        self._rows: list[int] = []
        self._known: dict[str, Failure] = {}
        self._reasons: list[str] = []
        self._first: ProviderError | None = None
        self._last: ProviderError | None = None
        self._for_all: ProviderError | None = None

    def add(self, failed: FailedRow, error: ProviderError | None = None) -> None:
        """Counts a row that failed; `error` is the provider's, where it is one."""
        self.count += 1
        if error is not None:
            self.note_error(failed.key, failed.failure, error)
        elif self._first is None:
            self._first = ProviderError(failed.failure.reason, status=failed.failure.status)
        reason = _line(failed.failure.reason)
        if reason not in self._reasons and len(self._reasons) <= REASONS_SHOWN:
            self._reasons.append(reason)
        if self._sink is not None:
            self._sink(failed)

    def note_error(self, key: str, failure: Failure, error: ProviderError) -> None:
        """Remembers the error of a call."""
        self._known[key] = failure
        if len(self._known) > KEYS_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._first = self._first or error
        self._last = error
        if self._for_all is None and is_for_all(error):
            self._for_all = error

    def of(self, key: str) -> Failure | None:
        """Returns how a call failed before."""
        return self._known.get(key)

    def pass_by(self, number: int) -> None:
        """Notes that a row that failed is the next one to be handed out."""
        self._passed += 1
        if len(self._rows) < REASONS_SHOWN:
            self._rows.append(number)
        if self._max_failures >= 1 or self._max_failures == 0 or self._total is not None:
            self.is_over = self._is_above(self._passed, self._total or 0)

    def stop(self) -> None:
        """Says that nothing more is sent, because of the failures so far."""
        self.stopped_by = self._for_all or self._last

    def check(self, *, asked: int, kept: int) -> None:
        """Raises where more rows failed than may, or nothing more was sent.

        Args:
            asked: Rows that were read.
            kept: Rows that have their reply.
        """
        cause = self.stopped_by or self._first
        if cause is not None and (self.stopped_by is not None or self._is_above(self.count, asked)):
            # An error that was never raised has nothing to tell beside its words.
            raise self._error(cause, asked, kept) from (cause if cause.__traceback__ is not None else None)

    def _is_above(self, count: int, rows: int) -> bool:
        limit = self._max_failures if self._max_failures >= 1 else self._max_failures * rows
        return count > limit + TOLERANCE

    def _error(self, cause: ProviderError, asked: int, kept: int) -> ProviderError:
        if self.stopped_by is not None:
            what = f"{_line(cause.what)} (nothing more was sent; {kept} of {asked} rows have their reply)"
        else:
            shown = "; ".join(self._reasons[:REASONS_SHOWN]) + ("; …" if len(self._reasons) > REASONS_SHOWN else "")
            what = f"{self.count} of {asked} rows got no reply: {shown}"
        numbers = ", ".join(map(str, self._rows)) + (", …" if self.count > len(self._rows) else "")
        rows = f"row{'s' if self.count > 1 else ''} {numbers} (from 0)" if self._rows else ""
        kind = next((kind for kind in _KINDS if isinstance(cause, kind)), ProviderError)
        return kind(
            what,
            where="; ".join(filter(None, (_line(cause.where), rows))),
            hint=_line(cause.hint) or "run it again: only what has no reply yet is sent",
            status=cause.status,
            retry_after_seconds=cause.retry_after_seconds,
        )


def failure_of(error: ProviderError) -> Failure:
    """Returns what a row that got an error instead of a reply is left with."""
    kind: FailureKind = "other"
    if isinstance(error, (RequestRejected, MissingCredentials)):
        kind = "rejected"
    elif isinstance(error, ServiceUnavailable):
        kind = "unavailable"
    return Failure(kind, " ".join(error.what.split()), error.status)


def _line(text: str) -> str:
    """Returns a text as one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= REASON_CHARACTERS else line[: REASON_CHARACTERS - 1] + "…"
