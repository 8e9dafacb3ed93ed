"""From gathered calls to a batch at the service, and what became of one whose submission was cut off.

Contract: the plan of a batch is durable before the service hears of it, and no call is planned that is in another open
batch or has its reply by now. A submission is never repeated before it is known that there is no batch: only then is
its plan dropped, and its calls are free again.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from dreamsmk.calls.batches.gathering import Gathering
from dreamsmk.calls.batches.ledger import BatchLedger
from dreamsmk.calls.batches.states import LedgerBatch, LedgerCall, seconds_since, utc_now
from dreamsmk.calls.batches.watch import Watch
from dreamsmk.calls.caching.cache import Replies
from dreamsmk.calls.call import Call
from dreamsmk.errors import ProviderError, ServiceUnavailable
from dreamsmk.providers.batches import BatchService, Fate, LostBatch, custom_id
from dreamsmk.settings import ModelSpec

# A batch up to this size is not written to the disk on its way.
SPOOLED_BYTES = 2**24


@dataclass(slots=True)
class Launch:
    """What became of the gathered calls.

    Attributes:
        batch: The batch, where there is one, or may be. Its calls are those that are left in the gathering.
        held: Calls that are in another open batch, each with that batch and the attempts so far.
        answered: Calls that have got their reply meanwhile.
        error: Why there is no batch. What is left in the gathering may be submitted again.
    """

    batch: LedgerBatch | None = None
    held: list[tuple[Call, str, int]] = field(default_factory=list)
    answered: list[Call] = field(default_factory=list)
    error: ProviderError | None = None


class Launcher:
    """Plans and submits batches of one model.

    Args:
        service: Where they go.
        ledger: What remembers them.
        replies: Where another process may have put a reply meanwhile.
    """

    def __init__(self, service: BatchService, ledger: BatchLedger, replies: Replies) -> None:
        self._service = service
        self._ledger = ledger
        self._replies = replies

    def launch(self, gathering: Gathering) -> Launch:
        """Submits what is gathered as one batch."""
        launch = Launch()
        with self._ledger.launching():
            self._pick(gathering, launch)
            if not gathering.calls:
                return launch
            batch = self._plan(gathering.calls)
            try:
                self._submit(batch, gathering)
            except ProviderError as exc:
                if not (_may_exist(exc) and self._is_submitting(batch.uuid)):
                    self._drop(batch.uuid, gathering.calls, exc.what)
                    launch.error = exc
                    return launch
            launch.batch = self._ledger.batch(batch.uuid)
        return launch

    def decide(self, watch: Watch) -> bool:
        """Finds out what became of a batch whose id is not known; updates `watch.batch` where it has one.

        Returns:
            Whether there is no such batch, so that its calls are free again.

        Raises:
            ProviderError: The service does not say.
        """
        with self._ledger.try_launching() as is_mine:
            if not is_mine:
                # it may be on its way to the service right now
                return False
            batch = self._ledger.batch(watch.batch.uuid)
            assert batch is not None
            watch.batch = batch
            if batch.remote_id is not None:
                return False
            if batch.state == "dropped":
                return True
            if batch.state == "submitting":
                fate = self._service.find(self._lost(batch))
                if isinstance(fate, str):
                    self._ledger.note_running(batch.uuid, fate)
                    watch.batch = dataclasses.replace(batch, state="running", remote_id=fate)
                    return False
                # a clock that was set back says nothing of how long ago it was
                waited_seconds = abs(seconds_since(batch.submitting_at))
                if fate is Fate.UNDECIDED or waited_seconds < self._service.limits.arrival_seconds:
                    return False
            self._drop(batch.uuid, list(watch.waiting.values()), "it never reached the service")
            return True

    def _pick(self, gathering: Gathering, launch: Launch) -> None:
        """Takes those calls out of the gathering that must not be submitted."""
        keys = [call.key for call in gathering.calls]
        # in this order: whoever ends a batch stores its replies before it lets go of its calls
        held = self._ledger.holders(keys)
        known = self._replies.get_many([key for key in keys if key not in held])
        if not held and not known:
            return
        for call in gathering.calls:
            if call.key in held:
                launch.held.append((call, *held[call.key]))
            elif call.key in known:
                call.response = known[call.key]
                launch.answered.append(call)
        gathering.keep_only(set(keys) - set(held) - set(known))

    def _plan(self, calls: list[Call]) -> LedgerBatch:
        spec = self._service.provider.spec
        for call in calls:
            call.attempts += 1
        batch = LedgerBatch(
            uuid=str(uuid.uuid4()),
            provider=spec.provider,
            base_url=self._service.base_url,
            model=spec.model,
            spec=spec_json(spec),
            state="planned",
            calls=len(calls),
            planned_at=utc_now(),
        )
        self._ledger.plan(batch, [LedgerCall(call.key, call.body.decode(), call.attempts) for call in calls])
        return batch

    def _submit(self, batch: LedgerBatch, gathering: Gathering) -> None:
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as file:
            self._service.INPUT.write(gathering.lines, file)
            file.seek(0)
            input_id = self._service.upload(batch.uuid, file)
            if input_id is not None:
                self._ledger.note_input(batch.uuid, input_id)
            file.seek(0)
            self._ledger.note_submitting(batch.uuid)
            remote_id = self._service.submit(batch.uuid, gathering.group, file, input_id)
        self._ledger.note_running(batch.uuid, remote_id)

    def _is_submitting(self, name: str) -> bool:
        batch = self._ledger.batch(name)
        return batch is not None and batch.state == "submitting"

    def _drop(self, name: str, calls: list[Call], words: str) -> None:
        self._ledger.close_batch(name, "dropped", words=words)
        for call in calls:
            # it was in no batch after all
            call.attempts = max(0, call.attempts - 1)

    def _lost(self, batch: LedgerBatch) -> LostBatch:
        assert batch.submitting_at is not None
        return LostBatch(
            uuid=batch.uuid,
            custom_ids=frozenset(custom_id(call.key) for call in self._ledger.calls(batch.uuid)),
            since=datetime.fromisoformat(batch.submitting_at),
            known_ids=frozenset(self._ledger.remote_ids()),
        )


def spec_json(spec: ModelSpec) -> str:
    """Returns what another process needs to ask the same service: of the key, only the variable that holds it."""
    value = spec.group("identity") | ({"api_key_env": spec.api_key_env} if spec.api_key_env else {})
    return json.dumps(value, ensure_ascii=False)


def _may_exist(error: ProviderError) -> bool:
    """Whether a batch may exist although its submission failed so."""
    return isinstance(error, ServiceUnavailable) and error.status != 429
