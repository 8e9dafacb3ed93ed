"""From rows in files to one job at the service, and what became of one that was asked for.

Contract: a job is asked for only where it is known that there is none: not in the ledger, not in the service's list
under our name, and none on its way. The name is made of all that decides the model, so that a job is found again even
where the ledger is gone. What the service refuses for now is asked for again; what it may have accepted is looked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.calls.retry import RetryPolicy
from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.tasks.training.openai.ledger import JobLedger
from dreamsmk.tasks.training.openai.service import FineTuningService, JobOrder

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

# What a job can end with, beside `succeeded`; then another one may be asked for.
FAILED = frozenset({"failed", "cancelled"})
# How long to wait after the service refused something for now, at first.
REFUSED_SECONDS = 5.0
LONGEST_REFUSED_SECONDS = 600.0
FIRST_LOOK_SECONDS = 0.25
LONGEST_LOOK_SECONDS = 5.0


class Launch:
    """Finds or begins the one job of an order.

    Args:
        service: Where it is.
        order: What it is.
        files: What it learns from, by role.
        ledger: What is known of it.
        note: Whom to tell, in one line.
    """

    def __init__(
        self,
        service: FineTuningService,
        order: JobOrder,
        files: Mapping[str, Path],
        ledger: JobLedger,
        note: Callable[[str], None],
    ) -> None:
        self._service = service
        self._order = order
        self._files = files
        self._ledger = ledger
        self._note = note
        self._policy = RetryPolicy(
            service.spec.max_retries, base_seconds=REFUSED_SECONDS, cap_seconds=LONGEST_REFUSED_SECONDS
        )

    def job(self) -> FineTuningJob:
        """Returns the job, which may have ended already.

        Raises:
            ProviderError: The service will not have it, or does not say whether it has it.
        """
        return self._known() or self._lost() or self._of_another_run() or self._begun()

    def _known(self) -> FineTuningJob | None:
        """Returns the job of the ledger."""
        job_id = self._ledger.job
        if job_id is None:
            return None
        try:
            job = self._service.look(job_id)
        except RequestRejected as error:
            if error.status != 404:
                raise
            raise RequestRejected(
                f"openai does not know the job {job_id}, which was begun for this rule",
                where=str(self._ledger.path),
                hint="use the key of the project that began it; where it is gone for good, remove this file",
                status=error.status,
            ) from error
        self._note(f"going on with the job {job_id} at openai")
        return job

    def _lost(self) -> FineTuningJob | None:
        """Finds out what became of a request whose answer is not known; returns its job, if there is one."""
        asked = self._ledger.asked
        if asked is None:
            return None
        interval_seconds = FIRST_LOOK_SECONDS
        while True:
            # a clock that was set back says nothing of how long ago it was
            waited_seconds = abs((datetime.now(UTC) - asked).total_seconds())
            found = self._service.find_job(self._ledger.files["train"], asked)
            for job in (job for job in found if job.id not in self._ledger.failed):
                return self._taken(job)
            if waited_seconds >= self._service.arrival_seconds:
                self._ledger.note(asked_at=None)
                return None
            time.sleep(interval_seconds)
            interval_seconds = min(LONGEST_LOOK_SECONDS, interval_seconds * 2)

    def _of_another_run(self) -> FineTuningJob | None:
        """Finds a job of our name that runs or has succeeded, and that the ledger does not know."""
        for job in self._service.find_jobs(self._order.name):
            if job.status in FAILED:
                continue
            if job.fine_tuned_model and not self._service.has_model(job.fine_tuned_model):
                continue
            return self._taken(job)
        return None

    def _begun(self) -> FineTuningJob:
        """Uploads the files and asks for a job."""
        attempts = 0
        while True:
            attempts += 1
            try:
                files = {role: self._uploaded(role, path) for role, path in self._files.items()}
                self._ledger.note_asking()
                job = self._service.create(self._order, files)
            except ProviderError as error:
                lost = self._after(error)
                if lost is not None:
                    return lost
                if not isinstance(error, ServiceUnavailable) or attempts > self._policy.max_retries:
                    raise
                delay_seconds = self._policy.delay_seconds(attempts, error.retry_after_seconds)
                self._note(f"{error.what}; asking again in {delay_seconds:.0f} s")
                time.sleep(delay_seconds)
            else:
                self._ledger.note_job(job.id, files)
                self._note(f"began the job {job.id} at openai")
                return job

    def _after(self, error: ProviderError) -> FineTuningJob | None:
        """Returns the job that there is although asking for it failed."""
        if isinstance(error, ServiceUnavailable) and error.status != 429:
            return self._lost()
        self._ledger.note(asked_at=None)
        return None

    def _uploaded(self, role: str, path: Path) -> str:
        """Returns the id of an uploaded file; uploads it where it is not there yet."""
        known = self._ledger.files.get(role)
        if known is not None and self._service.has_file(known):
            return known
        name = self._order.file_name(role)
        file_id = self._service.find_file(name, path.stat().st_size) or self._service.upload(name, path)
        self._ledger.note(files={**self._ledger.files, role: file_id})
        return file_id

    def _taken(self, job: FineTuningJob) -> FineTuningJob:
        files = {"train": job.training_file, "validation": job.validation_file}
        self._ledger.note_job(job.id, {role: file_id for role, file_id in files.items() if file_id})
        begun = datetime.fromtimestamp(job.created_at, UTC)
        self._note(f"found the job {job.id} at openai, begun {begun:%Y-%m-%d %H:%M} UTC; no other one is begun")
        return job
