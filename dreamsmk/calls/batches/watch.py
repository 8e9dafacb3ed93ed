"""One open batch as this process watches it, and what it does with its results.

Contract: every result goes into the cache, wanted or not, and only when all of them are durable there does the ledger
let go of the batch. A process that ends half way through begins again with the first result: what is stored stays. A
run whose cache keeps nothing leaves batches with calls of others to a run that does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dreamsmk.calls.batches.ledger import BatchLedger
from dreamsmk.calls.batches.requests import request_of
from dreamsmk.calls.batches.states import LedgerBatch, LedgerCall, seconds_since
from dreamsmk.calls.caching.cache import Replies
from dreamsmk.calls.call import Call, Keep
from dreamsmk.errors import ProviderError, ServiceUnavailable
from dreamsmk.providers.batches import BatchResult, BatchService, custom_id
from dreamsmk.requests import Request, Response

# A batch is looked at soon, and then more and more rarely.
FIRST_LOOK_SECONDS = 0.25
LONGEST_LOOK_SECONDS = 60.0
LOOK_GROWTH = 1.5
# In how many batches a call may be that the service did not get to, or failed at.
BATCHES_PER_CALL = 3
KEYS_AT_ONCE = 2000


@dataclass(slots=True)
class Watch:
    """An open batch, and the calls of this run that wait for it.

    Attributes:
        batch: What the ledger says.
        waiting: The calls that this run waits for, by their name in the batch; other calls of it are nobody's, or
            another process's.
        calls: How many calls the batch has.
        done: How many of them have their result, as far as the service tells.
        look_at: When to look at it next, by the monotonic clock.
    """

    batch: LedgerBatch
    waiting: dict[str, Call] = field(default_factory=dict)
    done: int = 0
    look_at: float = field(default_factory=time.monotonic)
    interval_seconds: float = FIRST_LOOK_SECONDS

    def put_off(self) -> None:
        """Looks at it later, and later each time."""
        self.look_at = time.monotonic() + self.interval_seconds
        self.interval_seconds = min(LONGEST_LOOK_SECONDS, self.interval_seconds * LOOK_GROWTH)

    def wait_for(self, call: Call) -> None:
        """Lets a call of this run wait for the batch."""
        self.waiting[custom_id(call.key)] = call


@dataclass(slots=True)
class Outcome:
    """What became of the waiting calls of a batch that has ended.

    Attributes:
        settled: Calls that have their reply or their error.
        again: Calls that may succeed in another batch.
    """

    settled: list[Call] = field(default_factory=list)
    again: list[Call] = field(default_factory=list)


class Fetching:
    """Brings the results of batches that have ended into the cache.

    Args:
        service: Where they are.
        ledger: What calls they are of.
        replies: Where replies are kept.
        keep: Puts the reply of a call of this run there.
        rule: The rule that fetches replies nobody of this run waits for.
    """

    def __init__(self, service: BatchService, ledger: BatchLedger, replies: Replies, keep: Keep, rule: str) -> None:
        self._service = service
        self._ledger = ledger
        self._replies = replies
        self._keep = keep
        self._rule = rule

    def fetch(self, watch: Watch, *, is_cancelled: bool) -> Outcome:
        """Stores all results of a batch that has ended, and lets go of it.

        Args:
            watch: The batch.
            is_cancelled: Whether calls without a result are not to be submitted again.

        Raises:
            ProviderError: The results cannot be had now.
            CacheError: They cannot be kept.
        """
        batch, outcome = watch.batch, Outcome()
        assert batch.remote_id is not None
        unwanted = {}
        if len(watch.waiting) < batch.calls:
            calls = {custom_id(call.key): call for call in self._ledger.calls(batch.uuid)}
            unwanted = {name: call for name, call in calls.items() if name not in watch.waiting}
        seconds = max(0.0, seconds_since(batch.submitting_at))
        answered = 0
        named: set[str] = set()
        stored: list[str] = []
        for result in self._service.results(batch.remote_id):
            call, row = watch.waiting.get(result.custom_id), unwanted.get(result.custom_id)
            if call is not None and result.custom_id not in named:
                named.add(result.custom_id)
                self._take(call, result, seconds, outcome)
                answered += call.response is not None
            elif row is not None and call is None:
                stored += self._store(row, result, seconds)
        for name, call in watch.waiting.items():
            if name in named:
                continue
            if is_cancelled:
                call.error = ServiceUnavailable("the batch was cancelled before this call")
                outcome.settled.append(call)
            else:
                self._retry(call, ServiceUnavailable("the batch ended without a word on this call"), outcome)
        self._replies.flush()
        # a run that keeps no replies must not make others lose theirs
        if all(self._is_kept(stored[start : start + KEYS_AT_ONCE]) for start in range(0, len(stored), KEYS_AT_ONCE)):
            self._ledger.close_batch(batch.uuid, "ended", answered=answered + len(stored))
        return outcome

    def _take(self, call: Call, result: BatchResult, seconds: float, outcome: Outcome) -> None:
        if result.error is not None and result.is_retryable:
            self._retry(call, result.error, outcome)
            return
        if result.error is not None:
            call.error = result.error
        else:
            try:
                response = self._read(result, call.request, seconds)
            except ServiceUnavailable as exc:
                self._retry(call, exc, outcome)
                return
            except ProviderError as exc:
                call.error = exc
            else:
                call.response = replace(response, retries=max(0, call.attempts - 1))
                self._keep(call)
        outcome.settled.append(call)

    def _retry(self, call: Call, error: ProviderError, outcome: Outcome) -> None:
        if call.attempts < BATCHES_PER_CALL:
            outcome.again.append(call)
        else:
            call.error = error
            outcome.settled.append(call)

    def _store(self, row: LedgerCall, result: BatchResult, seconds: float) -> list[str]:
        """Stores a reply that was paid for, whether or not anybody still asks for it; returns its key."""
        if result.error is not None:
            return []
        request = request_of(row.request)
        try:
            response = self._read(result, request, seconds)
        except ProviderError:
            return []
        self._replies.put(row.key, request, response, rule=self._rule, body=row.request.encode())
        return [row.key]

    def _is_kept(self, keys: list[str]) -> bool:
        return len(self._replies.get_many(keys)) == len(set(keys))

    def _read(self, result: BatchResult, request: Request, seconds: float) -> Response:
        return self._service.read(result, request, seconds=seconds)


# Says how far the batches are, in a few words.
Tell = Callable[[str], None]


def progress_text(watch: Watch, number: int, batches: int) -> str:
    """Returns how far a batch is: `2 of 3: 1,200 of 50,000 done`."""
    return f"{number} of {batches}: {watch.done:,} of {watch.batch.calls:,} done"
