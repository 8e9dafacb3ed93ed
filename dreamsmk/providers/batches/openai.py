"""OpenAI's batch API: an uploaded file of requests, one batch a file, and files of results and errors.

Contract: as `base` says. The batch carries our own name for it in its metadata, so that a submission whose answer was
lost is found in the list of batches. Input files are not deleted: the service does so after 30 days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal

import orjson

from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.providers.batches.base import (
    BatchInput,
    BatchLimits,
    BatchLook,
    BatchResult,
    BatchService,
    Fate,
    LostBatch,
)
from dreamsmk.providers.credentials import without_key
from dreamsmk.providers.http_status import one_line, status_error
from dreamsmk.providers.openai_client import open_client, translated
from dreamsmk.requests import Request

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

# The key of the metadata that holds our own name of a batch.
METADATA_KEY = "dreamsmk"
# What the routes of a provider stand under in a batch, whatever the endpoint.
VERSION_PATH = "/v1"
COMPLETION_WINDOW: Literal["24h"] = "24h"
BATCHES_PER_PAGE = 100
# The list is looked through this far back before the moment of the submission: clocks differ.
CLOCK_MARGIN = timedelta(minutes=10)
UPLOAD_SECONDS = 1800.0

ENDED = frozenset({"completed", "expired", "cancelled", "failed"})
# Codes of a batch that failed as a whole, and may not when it is submitted later.
PASSING_CODES = frozenset({"token_limit_exceeded", "rate_limit_exceeded", "request_limit_exceeded"})
RETRYABLE_CODES = frozenset({"batch_expired"})


class OpenAIBatches(BatchService):
    """The batch API of OpenAI, or of a server that has the same one."""

    # `batches.create` of the SDK: "up to 50,000 requests, and can be up to 200 MB in size", and for embeddings 50,000
    # inputs, of which a call has one. Megabytes are taken as the smaller ones.
    LIMITS: ClassVar[BatchLimits] = BatchLimits(calls=50_000, size_bytes=200_000_000, arrival_seconds=20.0)
    INPUT: ClassVar[BatchInput] = BatchInput(b"", b"\n", b"\n")

    _opened: openai.OpenAI | None = None

    # Any: JSON.
    def line(self, custom_id: str, request: Request) -> bytes:
        """Returns one line of the input file."""
        self.provider.verify(request)
        url, body = VERSION_PATH + self.provider.route(request), self.provider.body(request)
        return orjson.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body})

    def upload(self, uuid: str, file: IO[bytes]) -> str | None:
        """Uploads the input file."""
        client = self._client()
        with self._translated(client):
            uploaded = client.with_options(timeout=UPLOAD_SECONDS, max_retries=0).files.create(
                file=(f"dreamsmk-{uuid}.jsonl", file), purpose="batch"
            )
            return uploaded.id

    def submit(self, uuid: str, group: str, file: IO[bytes], input_id: str | None) -> str:
        """Begins a batch with the uploaded file."""
        assert input_id is not None
        client = self._client()
        with self._translated(client):
            # never repeated by the client: a repeat may be a second batch
            batch = client.with_options(max_retries=0).batches.create(
                input_file_id=input_id,
                # Any string: the SDK lists the endpoints that OpenAI has, and the service is what decides
                endpoint=VERSION_PATH + group,  # type: ignore[arg-type]
                completion_window=COMPLETION_WINDOW,
                metadata={METADATA_KEY: uuid},
            )
            return batch.id

    def find(self, lost: LostBatch) -> str | Fate:
        """Looks for the batch in the list, by its metadata."""
        oldest = (lost.since - CLOCK_MARGIN).timestamp()
        client = self._client()
        with self._translated(client):
            for batch in client.batches.list(limit=BATCHES_PER_PAGE):
                if (batch.metadata or {}).get(METADATA_KEY) == lost.uuid:
                    return batch.id
                # the newest come first
                if batch.created_at < oldest:
                    break
        return Fate.ABSENT

    def look(self, remote_id: str) -> BatchLook:
        """Retrieves the batch."""
        client = self._client()
        with self._translated(client):
            batch = client.batches.retrieve(remote_id)
        counts = batch.request_counts
        done = counts.completed + counts.failed if counts else 0
        problem = self._problem(batch, client.api_key) if batch.status == "failed" else None
        calls = counts.total if counts else 0
        return BatchLook(batch.status in ENDED, done, calls, problem, batch.status == "cancelled")

    def results(self, remote_id: str) -> Iterator[BatchResult]:
        """Streams the file of results and that of errors."""
        client = self._client()
        with self._translated(client):
            batch = client.batches.retrieve(remote_id)
            for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
                with client.files.with_streaming_response.content(file_id) as content:
                    for line in content.iter_lines():
                        if line.strip():
                            yield self._result(orjson.loads(line), client.api_key)

    def cancel(self, remote_id: str) -> None:
        """Cancels the batch."""
        client = self._client()
        with self._translated(client):
            client.batches.cancel(remote_id)

    def close(self) -> None:
        """Closes the connections."""
        client, self._opened = self._opened, None
        if client is not None:
            client.close()

    def _client(self) -> openai.OpenAI:
        if self._opened is None:
            self._opened = open_client(self.provider)
        return self._opened

    def _problem(self, batch: Batch, key: str) -> ProviderError:
        """Returns why a batch failed as a whole, in the service's words."""
        errors = (batch.errors.data or []) if batch.errors else []
        first = errors[0] if errors else None
        words = without_key(one_line((first and first.message) or "no reason given"), key)
        where = f"batch {batch.id}" + (f", line {first.line}" if first and first.line else "")
        if first and first.code in PASSING_CODES:
            return ServiceUnavailable(f"openai says of a whole batch: {words}", where=where, status=429)
        return RequestRejected(f"openai refused a whole batch: {words}", where=where)

    # Any: JSON.
    def _result(self, line: Mapping[str, Any], key: str) -> BatchResult:
        name, response, error = str(line.get("custom_id")), line.get("response"), line.get("error")
        if isinstance(response, Mapping):
            status, request_id, body = response.get("status_code"), response.get("request_id"), response.get("body")
            if status == 200 and isinstance(body, Mapping):
                return BatchResult(name, body, request_id)
            said = body.get("error") if isinstance(body, Mapping) else None
            said = said if isinstance(said, Mapping) else {"message": body}
            words = without_key(str(said.get("message") or "no reason given"), key)
            failed = status_error(int(status or 500), words, {}, service="openai", code=said.get("code"))
            return BatchResult(name, error=failed, is_retryable=isinstance(failed, ServiceUnavailable))
        said = error if isinstance(error, Mapping) else {}
        words = without_key(one_line(str(said.get("message") or said.get("code") or "no reason given")), key)
        failed = ServiceUnavailable(f"openai did not answer a call of a batch: {words}")
        return BatchResult(name, error=failed, is_retryable=said.get("code") in RETRYABLE_CODES)

    def _translated(self, client: openai.OpenAI) -> AbstractContextManager[None]:
        return translated(client, "batch")
