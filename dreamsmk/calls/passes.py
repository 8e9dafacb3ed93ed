"""One pass over the requests of a run: what is read, looked up, sent, judged and handed out, and when.

Contract: as `calls.engine` says. Everything here runs in the calling thread; judges and sinks are called in it too.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dreamsmk.calls.awaited import AwaitedCalls
from dreamsmk.calls.batches.carrier import BatchCarrier
from dreamsmk.calls.bounds.budgeted import BudgetedCarrier
from dreamsmk.calls.caching.cache import Replies
from dreamsmk.calls.call import Call, Carrier
from dreamsmk.calls.carriers import NO_TERMS, Terms, open_carrier
from dreamsmk.calls.collecting import collects_seldom
from dreamsmk.calls.failures import FailedRow, Failures, failure_of
from dreamsmk.calls.interrupts import exits_on_sigterm
from dreamsmk.calls.progress import Progress
from dreamsmk.calls.rows import RequestReader, Row
from dreamsmk.calls.tally import Tally
from dreamsmk.errors import BudgetSpent, CacheError
from dreamsmk.hashing import digest_bytes
from dreamsmk.providers.base import Provider
from dreamsmk.providers.http_provider import HttpProvider
from dreamsmk.requests import Failure, Judge, Request, Response
from dreamsmk.requests.writing import RequestWriter
from dreamsmk.store import Home

# Rows that may be read ahead of the first unanswered one while no provider is open.
LOOKAHEAD_ROWS = 8192
# How long replies in flight are waited for when a run ends early.
GRACE_SECONDS = 5.0


class Pass:
    """One pass over the requests."""

    def __init__(  # noqa: PLR0913  # all but four have a default
        self,
        provider: Provider | Callable[[], Provider],
        cache: Replies,
        failures: Failures,
        tally: Tally,
        *,
        judge: Judge | None = None,
        rule: str = "",
        batches: Path | None = None,
        terms: Terms = NO_TERMS,
    ) -> None:
        self._provider = provider
        self._cache = cache
        self._failures = failures
        self._tally = tally
        self._judge = judge
        self._rule = rule
        self._batches = batches
        self._terms = terms
        self._writer = RequestWriter()
        self._claims = AwaitedCalls(cache)
        self._carrier: Carrier | None = None
        # Rows that were read and not handed out. Those that the first look settled are only their reply.
        self._rows: deque[Response | Row] = deque()
        self._calls: dict[str, Call] = {}
        self._missing: list[Call] = []
        self._followups: list[Row] = []
        self._passed = 0
        self._done = 0
        self._progress: Progress | None = None
        self._total: int | None = None

    def report(self, progress: Progress | None, total: int | None) -> None:
        """Sets whom to tell."""
        self._progress = progress
        self._total = total

    def outcomes(self, source: Iterator[Request]) -> Iterator[Response | Failure]:
        """Yields the replies and failures in order, then raises where too many failed."""
        reader = RequestReader(source)
        with exits_on_sigterm(), collects_seldom():
            try:
                yield from self._in_order(reader)
                self._cache.flush()
                self._claims.close()
            except BaseException as exc:
                self._end_early(exc)
                raise
        self._failures.check(asked=reader.read, kept=self._done - self._failures.count)

    def _in_order(self, reader: RequestReader) -> Iterator[Response | Failure]:
        while self._rows or not reader.is_exhausted:
            is_hungry = self._is_hungry(reader)
            if is_hungry:
                self._read(reader)
            self._wait(0.0 if is_hungry or self._is_first_done() else math.inf)
            if self._carrier is not None and self._carrier.is_stopped:
                self._carrier.stop(None)
                self._settle(self._carrier.collect(wait_seconds=0.0))
                self._failures.stop()
                yield from self._take_done(len(self._rows))
                return
            yield from self._take_done(reader.rows)

    def _wait(self, seconds: float) -> None:
        """Takes over what has come, from the carrier or from other processes; waits for it, `seconds` at most."""
        seconds = min(seconds, self._claims.wait_seconds())
        done = [] if self._carrier is None else self._carrier.collect(wait_seconds=seconds)
        self._settle(done)
        if not done and 0.0 < seconds < math.inf:
            # What is left of it where nothing of ours is on its way.
            time.sleep(min(seconds, self._claims.wait_seconds()))
        arrived, granted = self._claims.look()
        if granted:
            self._open_carrier().submit(granted)
        self._settle(arrived)

    def _is_hungry(self, reader: RequestReader) -> bool:
        if reader.is_exhausted:
            return False
        if self._carrier is None:
            return len(self._rows) < LOOKAHEAD_ROWS
        return len(self._rows) < self._carrier.lookahead_rows and self._carrier.has_room()

    def _is_first_done(self) -> bool:
        if not self._rows:
            return True
        first = self._rows[0]
        return not isinstance(first, Row) or first.outcome is not None

    def _read(self, reader: RequestReader) -> None:
        """Reads some requests, looks all of them up at once and hands the missing ones over."""
        number = reader.read
        requests = reader.next_group()
        self._tally.requests += len(requests)
        keys, bodies, found = self._look_up(requests)
        hits, rows, is_judged = [], self._rows, self._judge is not None
        for key, request, body in zip(keys, requests, bodies, strict=True):
            reply = found.get(key)
            if reply is not None and not is_judged:
                rows.append(reply)
                hits.append(reply)
            else:
                row = Row(number, request)
                rows.append(row)
                self._place(row, key, body, reply)
            number += 1
        self._tally.add_hits(hits)
        self._done += len(hits)
        self._go_on()

    def _look_up(self, requests: Sequence[Request]) -> tuple[list[str], list[bytes], dict[str, Response]]:
        bodies = [self._writer.body(request) for request in requests]
        keys = [digest_bytes(body, "sha256") for body in bodies]
        known = self._calls
        return keys, bodies, self._claims.look_up([key for key in dict.fromkeys(keys) if key not in known])

    def _place(self, row: Row, key: str, body: bytes, reply: Response | None) -> None:
        """Gives a row its reply, or lets it wait for the call that brings it."""
        if reply is not None:
            self._tally.add_hits([reply])
            self._judged(row, key, reply, 0)
        elif key in self._calls:
            self._calls[key].rows.append(row)
        elif (failure := self._failures.of(key)) is not None:
            self._fail(FailedRow(row.number, row.request, key, failure, 0), row)
        else:
            self._calls[key] = call = Call(key, row.request, body, rows=[row])
            self._missing.append(call)

    def _judged(self, row: Row, key: str, reply: Response, attempts: int) -> None:
        """Ends a row with its reply, with a failure that the judge sees in it, or with neither yet."""
        verdict = None if self._judge is None else self._judge(row.request, reply, row.round)
        if verdict is None:
            row.outcome = reply
            self._done += 1
        elif isinstance(verdict, Failure):
            self._fail(FailedRow(row.number, row.request, key, verdict, attempts), row)
        else:
            row.request = verdict
            row.round += 1
            self._followups.append(row)

    def _fail(self, failed: FailedRow, row: Row, call: Call | None = None) -> None:
        row.outcome = failed.failure
        self._done += 1
        self._tally.add_failure(failed.failure.kind)
        self._failures.add(failed, call.error if call else None)

    def _go_on(self) -> None:
        """Looks up what judges go on with, and hands over whatever is missing."""
        while self._followups:
            rows, self._followups = self._followups, []
            self._tally.requests += len(rows)
            self._tally.followups += len(rows)
            keys, bodies, found = self._look_up([row.request for row in rows])
            for row, key, body in zip(rows, keys, bodies, strict=True):
                self._place(row, key, body, found.get(key))
        if self._missing:
            self._cache.refuse([call.request for call in self._missing])
        missing, self._missing = self._claims.claim(self._missing), []
        if missing:
            self._open_carrier().submit(missing)
        self._tell()

    def _open_carrier(self) -> Carrier:
        if self._carrier is None:
            provider = self._provider if isinstance(self._provider, Provider) else self._provider()
            if isinstance(provider, HttpProvider) and provider.spec.mode == "batch":
                self._carrier = self._open_batches(provider)
            else:
                self._carrier = open_carrier(provider, self._keep, self._terms)
        return self._carrier

    def _open_batches(self, provider: HttpProvider) -> Carrier:
        def note(text: str) -> None:
            if self._progress is not None:
                self._progress.note(text)

        batches = BatchCarrier(
            provider.batches(),
            self._cache,
            self._keep,
            self._batches or Home.of().batches,
            rule=self._rule,
            tell=lambda text: self._tell(batch=text),
            note=note,
        )
        spending = self._terms.spending
        if spending is None:
            return batches
        spending.check()
        return BudgetedCarrier(batches, spending)

    def _keep(self, call: Call) -> None:
        if call.response is not None:
            self._cache.put(call.key, call.request, call.response, rule=self._rule, body=call.body)

    def _settle(self, calls: list[Call]) -> None:
        """Takes over calls that have come to their end."""
        if not calls:
            return
        self._claims.settle(calls)
        self._tally.add_calls(calls)
        for call in calls:
            del self._calls[call.key]
            if isinstance(call.error, BudgetSpent):
                # It was not sent, so its rows have not failed.
                self._failures.note_error(call.key, failure_of(call.error), call.error)
                continue
            for row in call.rows:
                if call.response is not None:
                    self._judged(row, call.key, call.response, call.attempts)
                elif call.error is not None:
                    failed = FailedRow(row.number, row.request, call.key, failure_of(call.error), call.attempts)
                    self._fail(failed, row, call)
        self._go_on()

    def _take_done(self, limit: int) -> Iterator[Response | Failure]:
        """Yields what the rows in front have come to; after one failure too many, only lets go of them."""
        rows, failures = self._rows, self._failures
        for _ in range(limit):
            if not rows:
                return
            first = rows[0]
            outcome = first.outcome if isinstance(first, Row) else first
            if outcome is None:
                return
            rows.popleft()
            if isinstance(outcome, Failure):
                failures.pass_by(self._passed)
            self._passed += 1
            # What came after a row that is left out would be taken for its own.
            if not failures.is_over:
                yield outcome

    def _tell(self, **more: str) -> None:
        if self._progress is not None:
            tally = self._tally
            facts = {"hits": tally.hits, "sent": tally.sent, "tokens": tally.sent_tokens}
            if self._failures.count:
                facts["failed"] = self._failures.count
            self._progress.update(self._done, self._total, **facts, **more)

    def _end_early(self, cause: BaseException) -> None:
        """Keeps the replies in flight that arrive within the grace."""
        try:
            if self._carrier is not None:
                self._carrier.stop(GRACE_SECONDS)
            self._cache.flush()
            self._claims.close()
        except CacheError as exc:
            cause.add_note(f"some replies could not be kept: {exc}")
