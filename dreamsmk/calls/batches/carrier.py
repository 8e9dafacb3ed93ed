"""Calls through a service's batch API: gathered, submitted as few large batches, and waited for up to a day.

Contract: as `calls.call.Carrier` says. Everything that is missing is gathered before anything is submitted, but for
batches that are full. Batches belong to the ledger, not to the process: one that ends leaves them running, and the next
one picks them up, submits none of their calls again, and fetches the replies of calls that nobody asks for any more as
well, since they are paid for. All of it happens in the calling thread.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from dreamsmk.calls.batches.gathering import Gathering, Gatherings
from dreamsmk.calls.batches.launch import Launcher
from dreamsmk.calls.batches.ledger import BatchLedger
from dreamsmk.calls.batches.watch import Fetching, Outcome, Tell, Watch, progress_text
from dreamsmk.calls.caching.cache import Replies
from dreamsmk.calls.call import Call, Keep
from dreamsmk.calls.retry import RetryPolicy, is_for_all
from dreamsmk.errors import ProviderError, ServiceUnavailable
from dreamsmk.providers.batches import BatchService

# Rows that are held at most: their requests and, as they come, their replies.
LOOKAHEAD_ROWS = 1_000_000
# How long to wait after a service did not take a batch, at first: its queue is full, and empties slowly.
REFUSED_SECONDS = 5.0
LONGEST_REFUSED_SECONDS = 600.0
# How long a service is asked about its batches that does not answer. The batches go on, and the next run asks again.
PATIENCE_SECONDS = 3600.0


class BatchCarrier:
    """Carries calls out through a batch API.

    Args:
        service: The batch API.
        replies: Where replies are looked up and kept.
        keep: Puts the reply of a call there.
        ledger: The file that remembers batches.
        rule: The rule that asks, for the cache.
        tell: Whom to tell how far the batches are.
        note: Whom to tell, in one line, that batches go on without this process.
        policy: When to submit again what the service did not take for now.
    """

    def __init__(  # noqa: PLR0913  # all but four are by keyword
        self,
        service: BatchService,
        replies: Replies,
        keep: Keep,
        ledger: Path,
        *,
        rule: str = "",
        tell: Tell = lambda text: None,
        note: Tell = lambda text: None,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.lookahead_rows = LOOKAHEAD_ROWS
        self.is_stopped = False
        self._service = service
        self._ledger = BatchLedger(ledger)
        self._launcher = Launcher(service, self._ledger, replies)
        self._fetching = Fetching(service, self._ledger, replies, keep, rule)
        self._tell = tell
        self._note = note
        spec = service.provider.spec
        self._max_refusals = spec.max_retries
        self._policy = policy or RetryPolicy(
            spec.max_retries, base_seconds=REFUSED_SECONDS, cap_seconds=LONGEST_REFUSED_SECONDS
        )
        self._gatherings = Gatherings(service)
        # After the service refused a batch for now: when to submit the next one, by the monotonic clock, and how often
        # in a row that was.
        self._not_before = 0.0
        self._refusals = 0
        self._watches: dict[str, Watch] = {}
        # Batches that calls of this run waited for, in order, and those of them that are still open.
        self._numbers: dict[str, int] = {}
        self._arrived: list[Call] = []
        # Since when every question about a batch has failed, by the monotonic clock.
        self._failing_since: float | None = None
        for batch in self._ledger.open_batches(spec.provider, service.base_url):
            self._watches[batch.uuid] = Watch(batch)
        weakref.finalize(self, _close, service, self._ledger)

    def has_room(self) -> bool:
        """Whether more calls are of use: until a run has no more of them."""
        return not self.is_stopped

    def submit(self, calls: Sequence[Call]) -> None:
        """Takes calls over; those that are in an open batch wait for it."""
        held = self._ledger.holders([call.key for call in calls])
        for call in calls:
            if call.key in held:
                self._hold(call, *held[call.key])
            else:
                self._gather(call)
        self._launch_due(full=True)

    def collect(self, *, wait_seconds: float) -> list[Call]:
        """Returns the calls that were done; before it waits for a batch to end, it submits what is gathered."""
        deadline = time.monotonic() + wait_seconds
        while wait_seconds and not self._arrived and not self.is_stopped:
            self._launch_due(full=False)
            if self._arrived or not self._is_waiting() or time.monotonic() >= deadline:
                break
            time.sleep(max(0.0, min(self._next_step(), deadline) - time.monotonic()))
            self._look_around()
        arrived, self._arrived = self._arrived, []
        return arrived

    def stop(self, grace_seconds: float | None) -> None:
        """Leaves the batches to themselves, and says so."""
        self.is_stopped = True
        waiting = [watch for watch in self._watches.values() if watch.waiting]
        if waiting:
            calls = sum(len(watch.waiting) for watch in waiting)
            name = "a batch goes" if len(waiting) == 1 else f"{len(waiting)} batches go"
            service = self._service.provider.spec.provider
            self._note(f"{name} on at {service} with {calls:,} calls; the next run picks it up")
            for watch in waiting:
                watch.waiting.clear()

    def _gather(self, call: Call) -> None:
        try:
            self._gatherings.add(call)
        except ProviderError as exc:
            call.error = exc
            self._arrived.append(call)

    def _launch_due(self, *, full: bool) -> None:
        """Submits what is gathered; with `full`, only batches that can take no more."""
        while not self.is_stopped and self._not_before <= time.monotonic():
            gathering = self._gatherings.take(full=full)
            if gathering is None:
                return
            self._launch(gathering)

    def _hold(self, call: Call, uuid: str, attempts: int) -> None:
        """Lets a call wait for a batch that has it already."""
        watch = self._watches.get(uuid)
        if watch is None:
            # another process has planned it since
            batch = self._ledger.batch(uuid)
            assert batch is not None
            watch = self._watches[uuid] = Watch(batch)
        call.attempts = attempts
        watch.wait_for(call)
        self._numbers.setdefault(uuid, len(self._numbers) + 1)

    def _launch(self, gathering: Gathering) -> None:
        launch = self._launcher.launch(gathering)
        self._arrived.extend(launch.answered)
        for call, uuid, attempts in launch.held:
            self._hold(call, uuid, attempts)
        if launch.error is not None:
            self._refuse(gathering, launch.error)
        elif launch.batch is not None:
            self._refusals = 0
            watch = self._watches[launch.batch.uuid] = Watch(launch.batch)
            for call in gathering.calls:
                watch.wait_for(call)
            self._numbers[launch.batch.uuid] = len(self._numbers) + 1

    def _refuse(self, gathering: Gathering, error: ProviderError) -> None:
        """Keeps calls for later that the service did not take for now; lets others fail."""
        if is_for_all(error):
            self._fail_all(error, gathering.calls)
            return
        if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(gathering.calls) > 1:
            self._gatherings.put_back(*gathering.halves())
            return
        self._refusals += 1
        # while other batches run, a full queue is no failure: it empties as they end
        is_worth_it = self._refusals <= self._max_refusals or any(w.waiting for w in self._watches.values())
        if isinstance(error, ServiceUnavailable) and is_worth_it:
            delay = self._policy.delay_seconds(self._refusals, error.retry_after_seconds)
            self._not_before = time.monotonic() + delay
            self._gatherings.put_back(gathering)
            return
        for call in gathering.calls:
            call.error = error
        self._arrived.extend(gathering.calls)

    def _is_waiting(self) -> bool:
        return bool(self._gatherings) or any(watch.waiting for watch in self._watches.values())

    def _next_step(self) -> float:
        """Returns when there is something to do next, by the monotonic clock."""
        moments = [watch.look_at for watch in self._watches.values()]
        return min([*moments, self._not_before]) if self._gatherings else min(moments)

    def _look_around(self) -> None:
        """Looks at every batch whose time has come."""
        for watch in list(self._watches.values()):
            if self.is_stopped or watch.look_at > time.monotonic():
                continue
            watch.put_off()
            try:
                self._look(watch)
                self._failing_since = None
            except ServiceUnavailable as exc:
                now = time.monotonic()
                self._failing_since = self._failing_since or now
                if now - self._failing_since > PATIENCE_SECONDS:
                    self._fail_all(exc, [])
            except ProviderError as exc:
                self._lose(watch, exc)

    def _look(self, watch: Watch) -> None:
        if watch.batch.remote_id is None:
            if self._launcher.decide(watch):
                self._release(watch)
            if watch.batch.remote_id is None:
                return
        look = self._service.look(watch.batch.remote_id)
        watch.done = look.done
        if watch.waiting:
            self._tell(progress_text(watch, self._numbers[watch.batch.uuid], len(self._numbers)))
        if look.problem is not None:
            self._failed(watch, look.problem)
        elif look.is_ended:
            self._close(watch, self._fetching.fetch(watch, is_cancelled=look.is_cancelled))

    def _failed(self, watch: Watch, problem: ProviderError) -> None:
        """Takes the calls of a batch back that the service refused as a whole, after all: nothing of it was paid."""
        del self._watches[watch.batch.uuid]
        self._ledger.close_batch(watch.batch.uuid, "ended", words=problem.what)
        again = Gatherings(self._service)
        for call in watch.waiting.values():
            call.attempts = max(0, call.attempts - 1)
            again.add(call)
        while gathering := again.take(full=False):
            self._refuse(gathering, problem)

    def _close(self, watch: Watch, outcome: Outcome) -> None:
        del self._watches[watch.batch.uuid]
        self._arrived.extend(outcome.settled)
        for call in outcome.again:
            self._gather(call)

    def _release(self, watch: Watch) -> None:
        """Gathers the calls of a batch that never was."""
        del self._watches[watch.batch.uuid]
        self._numbers.pop(watch.batch.uuid, None)
        for call in watch.waiting.values():
            self._gather(call)

    def _lose(self, watch: Watch, error: ProviderError) -> None:
        """Lets the calls of a batch fail that the service does not know, or does not show."""
        if is_for_all(error) and error.status != 404:
            self._fail_all(error, [])
            return
        del self._watches[watch.batch.uuid]
        lost = type(error)(
            f"a batch cannot be had any more: {error.what}",
            where=f"batch {watch.batch.remote_id or watch.batch.uuid}",
            hint=f"if it is gone for good: dreamsmk batches forget {watch.batch.uuid}",
            # no 404: other batches may well be had
            status=None,
        )
        for call in watch.waiting.values():
            call.error = lost
            self._arrived.append(call)

    def _fail_all(self, error: ProviderError, calls: Sequence[Call]) -> None:
        """Gives up: every further question would be answered so."""
        self.is_stopped = True
        failed = list(calls)
        failed.extend(self._gatherings.take_calls())
        for watch in self._watches.values():
            failed.extend(watch.waiting.values())
            watch.waiting.clear()
        for call in failed:
            call.error = error
        self._arrived.extend(failed)


def _close(service: BatchService, ledger: BatchLedger) -> None:
    service.close()
    ledger.close()
