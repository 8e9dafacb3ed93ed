"""Many model calls, each paid for once: requests in, replies out, in the order of the requests.

Contract: a row whose reply is in the cache costs a look-up; the others are sent, identical ones once. The requests are
read as they are needed and never all held. A row that fails for good holds no other row up: all the others are still
answered and kept, then the failure is raised in the place of the row. Whatever ends a run early (an error, Ctrl-C,
SIGTERM, a caller that stops asking), replies that arrive within a few seconds are kept; nothing is ever sent that the
cache can answer, and no provider is opened before the first miss.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Protocol

from dreamsmk.calls.cache import Replies
from dreamsmk.calls.call import Call, Carrier
from dreamsmk.calls.failures import Failures
from dreamsmk.calls.interrupts import exits_on_sigterm
from dreamsmk.calls.keys import RequestWriter
from dreamsmk.calls.local import LocalBatches
from dreamsmk.calls.tally import Tally
from dreamsmk.calls.window import ServiceWindow
from dreamsmk.errors import CacheError
from dreamsmk.hashing import digest_bytes
from dreamsmk.providers.base import LocalProvider, Provider, ServiceProvider
from dreamsmk.requests import Request, Response

# Keys that are looked up at once: few at first, so that the first request is soon on its way.
FIRST_READ_ROWS = 64
MAX_READ_ROWS = 1024
# Requests that are slow to come are not gathered for longer than this.
READ_SECONDS = 0.05
# Rows that may be read ahead of the first unanswered one while no provider is open.
LOOKAHEAD_ROWS = 8192
# How long replies in flight are waited for when a run ends early.
GRACE_SECONDS = 5.0


class Progress(Protocol):
    """Whom the engine tells how far it is, as often as it likes; `tasks.context.Progress` is one."""

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        """Says that `done` of `total` rows have their reply or have failed."""
        ...


def answer(  # noqa: PLR0913  # all but three are by keyword and have a default
    provider: Provider | Callable[[], Provider],
    cache: Replies,
    requests: Iterable[Request],
    *,
    total: int | None = None,
    progress: Progress | None = None,
    rule: str = "",
    tally: Tally | None = None,
) -> Iterator[Response]:
    """Answers requests, from the cache or from the provider.

    Args:
        provider: Whom to ask, or what opens it at the first miss. It stays open.
        cache: Where replies are looked up and kept.
        requests: What to ask; read as needed, some thousands of rows ahead of what was handed out at most.
        total: How many requests there are, where they cannot say so themselves.
        progress: Whom to tell `hits`, `sent` and `tokens`.
        rule: The rule that asks, for the cache.
        tally: Counts to go on with.

    Yields:
        One reply a request, in their order.

    Raises:
        ProviderError: Rows failed for good. Of the kind of the first failure, after all other rows were answered and
            kept, or at once where every further request would fail as well (401, 403, 404, no API key).
        CacheError: A reply could not be kept.
    """
    if total is None and isinstance(requests, Sized):
        total = len(requests)
    run = _Run(provider, cache, rule, Tally() if tally is None else tally)
    run.report(progress, total)
    return run.replies(iter(requests))


class _Run:
    """One pass over the requests."""

    def __init__(self, provider: Provider | Callable[[], Provider], cache: Replies, rule: str, tally: Tally) -> None:
        self._provider = provider
        self._cache = cache
        self._rule = rule
        self._tally = tally
        self._failures = Failures()
        self._writer = RequestWriter()
        self._carrier: Carrier | None = None
        # Rows that were read and not handed out: their reply, or the call that brings it.
        self._rows: deque[Response | Call] = deque()
        self._calls: dict[str, Call] = {}
        self._read_rows = FIRST_READ_ROWS
        self._is_exhausted = False
        self._asked = 0
        self._passed = 0
        self._done = 0
        self._progress: Progress | None = None
        self._total: int | None = None

    def report(self, progress: Progress | None, total: int | None) -> None:
        """Sets whom to tell."""
        self._progress = progress
        self._total = total

    def replies(self, source: Iterator[Request]) -> Iterator[Response]:
        """Yields the replies in order, then raises what failed."""
        with exits_on_sigterm():
            try:
                yield from self._in_order(source)
                self._cache.flush()
            except BaseException as exc:
                self._end_early(exc)
                raise
        if self._failures.by_key:
            kept = self._done - self._failures.count
            raise self._failures.error(asked=self._asked, kept=kept) from self._failures.first()

    def _in_order(self, source: Iterator[Request]) -> Iterator[Response]:
        while self._rows or not self._is_exhausted:
            is_hungry = self._is_hungry()
            if is_hungry:
                self._read(source)
            if self._carrier is not None:
                self._settle(self._carrier.collect(wait=not is_hungry and not self._is_first_done()))
                if self._carrier.is_stopped:
                    self._carrier.stop(None)
                    self._settle(self._carrier.collect(wait=False))
                    self._failures.stop()
                    while self._rows and self._is_first_done():
                        yield from self._take_done()
                    return
            yield from self._take_done()

    def _is_hungry(self) -> bool:
        if self._is_exhausted:
            return False
        if self._carrier is None:
            return len(self._rows) < LOOKAHEAD_ROWS
        return len(self._rows) < self._carrier.lookahead_rows and self._carrier.has_room()

    def _is_first_done(self) -> bool:
        if not self._rows:
            return True
        first = self._rows[0]
        return isinstance(first, Response) or first.is_settled

    def _read(self, source: Iterator[Request]) -> None:
        """Reads some requests, looks all of them up at once and hands the missing ones over."""
        requests = self._next_requests(source)
        bodies = [self._writer.body(request) for request in requests]
        keys = [digest_bytes(body, "sha256") for body in bodies]
        known = self._calls
        found = self._cache.get_many([key for key in dict.fromkeys(keys) if key not in known])
        missing = []
        for key, request, body in zip(keys, requests, bodies, strict=True):
            reply = found.get(key)
            if reply is not None:
                self._rows.append(reply)
                self._tally.add_hit(reply)
                self._done += 1
            elif key in known:
                known[key].rows += 1
                self._rows.append(known[key])
            elif key in self._failures.by_key:
                error = self._failures.by_key[key]
                self._rows.append(Call(key, request, body, error=error, is_settled=True))
                self._tally.add_call(0, None, 1)
                self._failures.add(key, error, 1)
                self._done += 1
            else:
                known[key] = call = Call(key, request, body)
                self._rows.append(call)
                missing.append(call)
        if missing:
            self._open_carrier().submit(missing)
        self._tell()

    def _next_requests(self, source: Iterator[Request]) -> list[Request]:
        taken: list[Request] = []
        deadline = time.monotonic() + READ_SECONDS
        while len(taken) < self._read_rows and (not taken or time.monotonic() < deadline):
            request = next(source, None)
            if request is None:
                self._is_exhausted = True
                break
            taken.append(request)
        self._read_rows = min(2 * self._read_rows, MAX_READ_ROWS)
        self._asked += len(taken)
        self._tally.requests += len(taken)
        return taken

    def _open_carrier(self) -> Carrier:
        if self._carrier is None:
            provider = self._provider if isinstance(self._provider, Provider) else self._provider()
            if isinstance(provider, ServiceProvider):
                self._carrier = ServiceWindow(provider, self._keep)
            elif isinstance(provider, LocalProvider):
                self._carrier = LocalBatches(provider, self._keep)
            else:
                raise TypeError(f"{type(provider).__name__} is neither a ServiceProvider nor a LocalProvider")
        return self._carrier

    def _keep(self, call: Call) -> None:
        if call.response is not None:
            self._cache.put(call.key, call.request, call.response, rule=self._rule, body=call.body)

    def _settle(self, calls: list[Call]) -> None:
        """Takes over calls that have come to their end."""
        for call in calls:
            call.is_settled = True
            del self._calls[call.key]
            self._tally.add_call(call.attempts, call.response, call.rows)
            self._done += call.rows
            if call.error is not None:
                self._failures.add(call.key, call.error, call.rows)
        if calls:
            self._tell()

    def _take_done(self) -> Iterator[Response]:
        """Yields the replies of the rows in front that have theirs; after a failed row, only lets go of them."""
        for _ in range(self._read_rows):
            if not self._rows or not self._is_first_done():
                return
            row = self._rows.popleft()
            reply = row if isinstance(row, Response) else row.response
            if reply is None:
                self._failures.note_row(self._passed)
            self._passed += 1
            # A row has no reply, so that what comes after it would be taken for its own.
            if reply is not None and not self._failures.rows:
                yield reply

    def _tell(self) -> None:
        if self._progress is not None:
            tally = self._tally
            self._progress.update(self._done, self._total, hits=tally.hits, sent=tally.sent, tokens=tally.sent_tokens)

    def _end_early(self, cause: BaseException) -> None:
        """Keeps the replies in flight that arrive within the grace."""
        try:
            if self._carrier is not None:
                self._carrier.stop(GRACE_SECONDS)
            self._cache.flush()
        except CacheError as exc:
            cause.add_note(f"some replies could not be kept: {exc}")
