"""OpenAI's files and fine-tuning jobs, through its own client.

Contract: what the client raises is translated here, once: `RequestRejected` and `MissingCredentials` for what cannot
succeed, `ServiceUnavailable` for what may. Nothing that costs is ever repeated by the client, and nothing is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dreamsmk.errors import RequestRejected, ServiceUnavailable
from dreamsmk.providers.credentials import without_key
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.providers.openai_client import open_client, translated
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

# The key of the metadata that holds our own name of a job.
METADATA_KEY = "dreamsmk"
PURPOSE: Literal["fine-tune"] = "fine-tune"
PAGE = 100
UPLOAD_SECONDS = 1800.0
# How long the service may take until a job that it was asked for stands in its list.
ARRIVAL_SECONDS = 20.0
# The list is looked through this far back before the moment of the request: clocks differ.
CLOCK_MARGIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What a job is asked for with.

    Attributes:
        name: Our own name for it, made of all that decides the model.
        method: `supervised` or `dpo`.
        hyper_parameters: Those that are not left to the service, by its names.
    """

    name: str
    method: str
    # Any: numbers.
    hyper_parameters: Mapping[str, Any]
    seed: int | None
    suffix: str | None

    def file_name(self, role: str) -> str:
        """Returns what the uploaded file of a role is called."""
        return f"dreamsmk-{self.name}-{role}.jsonl"


class FineTuningService:
    """The fine-tuning API behind a model spec.

    Args:
        spec: The base model.
        arrival_seconds: How long a job may take to stand in the list.
    """

    def __init__(self, spec: ModelSpec, *, arrival_seconds: float = ARRIVAL_SECONDS) -> None:
        provider = OpenAIProvider(spec)
        self.spec = provider.spec
        self.arrival_seconds = arrival_seconds
        self._client = open_client(provider)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def has_file(self, file_id: str) -> bool:
        """Whether the service still has an uploaded file."""
        try:
            with self._translated("file"):
                self._client.files.retrieve(file_id)
        except RequestRejected as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def find_file(self, name: str, size_bytes: int) -> str | None:
        """Returns the id of an uploaded file of a name and a size, the newest one."""
        with self._translated("list of files"):
            for file in self._client.files.list(purpose=PURPOSE, order="desc"):
                if file.filename == name and file.bytes == size_bytes:
                    return file.id
        return None

    def upload(self, name: str, path: Path) -> str:
        """Uploads a file, once."""
        with self._translated("file"), open(path, "rb") as content:
            client = self._client.with_options(timeout=UPLOAD_SECONDS, max_retries=0)
            return client.files.create(file=(name, content), purpose=PURPOSE).id

    def delete_file(self, file_id: str) -> None:
        """Deletes a file, where it is still there."""
        try:
            with self._translated("file"):
                self._client.files.delete(file_id)
        except RequestRejected as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def read_file(self, file_id: str) -> bytes:
        """Returns what stands in a file."""
        with self._translated("file"):
            return self._client.files.content(file_id).content

    def create(self, order: JobOrder, files: Mapping[str, str]) -> FineTuningJob:
        """Asks for a job, once.

        Args:
            order: What is asked for.
            files: The ids of the uploaded files: `train`, and `validation` where there is one.

        Raises:
            RequestRejected: The service will not have it.
            ServiceUnavailable: With status 429, there is no job. With any other, there may be one: see `find_job`.
        """
        # Any: the client's typed dictionaries, of which there is one a method
        method: Any = {"type": order.method}
        if order.hyper_parameters:
            method[order.method] = {"hyperparameters": dict(order.hyper_parameters)}
        given: dict[str, Any] = {"seed": order.seed, "suffix": order.suffix, "validation_file": files.get("validation")}
        with self._translated("fine-tuning job"):
            # never repeated by the client: a repeat may be a second job
            return self._client.with_options(max_retries=0).fine_tuning.jobs.create(
                model=self.spec.model,
                training_file=files["train"],
                method=method,
                metadata={METADATA_KEY: order.name},
                **{name: value for name, value in given.items() if value is not None},
            )

    def find_jobs(self, name: str) -> Iterator[FineTuningJob]:
        """Yields the jobs of our name, the newest first, whoever asked for them."""
        with self._translated("list of fine-tuning jobs"):
            for job in self._client.fine_tuning.jobs.list(limit=PAGE, metadata={METADATA_KEY: name}):
                # a server that speaks like OpenAI may not know of the filter
                if (job.metadata or {}).get(METADATA_KEY) == name:
                    yield job

    def find_job(self, training_file: str, since: datetime) -> Iterator[FineTuningJob]:
        """Yields the jobs that learn from an uploaded file and are not older than a moment, the newest first."""
        oldest = (since - CLOCK_MARGIN).timestamp()
        with self._translated("list of fine-tuning jobs"):
            for job in self._client.fine_tuning.jobs.list(limit=PAGE):
                if job.created_at < oldest:
                    return
                if job.training_file == training_file:
                    yield job

    def look(self, job_id: str) -> FineTuningJob:
        """Returns a job as it stands."""
        with self._translated("fine-tuning job"):
            job = self._client.fine_tuning.jobs.retrieve(job_id)
        if job.status == "succeeded" and not job.fine_tuned_model:
            raise ServiceUnavailable("openai says that a job has succeeded, and names no model", where=f"job {job_id}")
        return job

    def events(self, job_id: str) -> Iterator[FineTuningJobEvent]:
        """Yields what the service says of a job, the newest first."""
        with self._translated("list of events"):
            yield from self._client.fine_tuning.jobs.list_events(job_id, limit=PAGE)

    def has_model(self, name: str) -> bool:
        """Whether the service still has a model."""
        try:
            with self._translated("model"):
                self._client.models.retrieve(name)
        except RequestRejected as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def words(self, text: str) -> str:
        """Returns the service's words without the API key."""
        return without_key(text, self._client.api_key)

    def _translated(self, wanted: str) -> AbstractContextManager[None]:
        return translated(self._client, wanted)
