"""Waits for a job at the service, and says what the service says of it.

Contract: nothing here ends the job, whatever ends this process. A service that does not answer is asked again, for an
hour; the job goes on meanwhile.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from dreamsmk.errors import ServiceUnavailable
from dreamsmk.tasks.training.openai.launch import FAILED
from dreamsmk.tasks.training.openai.results import metric
from dreamsmk.tasks.training.openai.service import PAGE, FineTuningService

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

    from dreamsmk.tasks.context import Progress

FIRST_LOOK_SECONDS = 0.25
LOOK_GROWTH = 1.5
PATIENCE_SECONDS = 3600.0

ENDED = FAILED | {"succeeded"}
_STEP = re.compile(r"Step (\d+)/(\d+)")


def wait_for_end(
    service: FineTuningService, job: FineTuningJob, progress: Progress, *, poll_seconds: float
) -> FineTuningJob:
    """Returns a job as it is at its end.

    Args:
        service: Where it is.
        job: It may have ended already.
        progress: Where to say what happens.
        poll_seconds: The longest time from one look to the next.

    Raises:
        ProviderError: The service does not answer any more.
    """
    telling = Telling(progress)
    interval_seconds, failing_since = min(FIRST_LOOK_SECONDS, poll_seconds), None
    while True:
        try:
            job = service.look(job.id)
            telling.tell(service, job)
            failing_since = None
        except ServiceUnavailable as error:
            if failing_since is None:
                failing_since = time.monotonic()
                progress.note(f"{error.what}; the job goes on, and openai is asked again")
            if time.monotonic() - failing_since > PATIENCE_SECONDS:
                raise
        if job.status in ENDED:
            return job
        time.sleep(interval_seconds)
        interval_seconds = min(poll_seconds, interval_seconds * LOOK_GROWTH)


class Telling:
    """Says each event of a job once.

    Args:
        progress: Where.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last: str | None = None
        self._status: str | None = None

    def tell(self, service: FineTuningService, job: FineTuningJob) -> None:
        """Says what is new: of a job that is seen for the first time the latest, of others all."""
        if job.status != self._status:
            self._status = job.status
            self._progress.note(f"job {job.id}: {job.status.replace('_', ' ')}")
        new: list[FineTuningJobEvent] = []
        for event in service.events(job.id):
            if event.id == self._last or (self._last is None and len(new) >= PAGE):
                break
            new.append(event)
        if new:
            self._last = new[0].id
        for event in reversed(new):
            self._say(event, service)

    def _say(self, event: FineTuningJobEvent, service: FineTuningService) -> None:
        if event.type != "metrics":
            self._progress.note(f"openai: {service.words(event.message)}")
            return
        step, loss = metric(event.data, "step"), metric(event.data, "train_loss")
        said = _STEP.match(event.message)
        total = metric(event.data, "total_steps") or (float(said[2]) if said else None)
        if step is not None and loss is not None:
            self._progress.update(int(step), None if total is None else int(total), loss=round(loss, 4))
