"""Anthropic's Message Batches API: all requests in the body of one call, results as a stream of lines.

Contract: as `base` says. A batch of this API can carry no name of ours. A submission whose answer was lost is found
among the batches of that time with as many requests, by the calls in its results, which can be read once it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, ClassVar

import orjson

from dreamsmk.errors import ProviderError, ServiceUnavailable
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
from dreamsmk.requests import Request

if TYPE_CHECKING:
    import anthropic
    from anthropic.types.messages import MessageBatch

PATH = "/v1/messages/batches"
VERSION_HEADER = "anthropic-version"
BATCHES_PER_PAGE = 100
# The list is looked through this far around the moment of the submission: clocks differ.
CLOCK_MARGIN = timedelta(minutes=10)
READ_RETRIES = 3
SUBMIT_SECONDS = 1800.0
# All else is quick; of the results, it is each part that must come so soon.
ANSWER_SECONDS = 60.0

# What live calls get as the status of an error of each type ("Errors" of the API reference).
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicBatches(BatchService):
    """The batch API of Anthropic."""

    # "100,000 Message requests or 256 MB in size, whichever is reached first": "Batch processing" of the API guide.
    # Megabytes are taken as the smaller ones.
    LIMITS: ClassVar[BatchLimits] = BatchLimits(calls=100_000, size_bytes=256_000_000, arrival_seconds=60.0)
    INPUT: ClassVar[BatchInput] = BatchInput(b'{"requests":[', b",", b"]}")

    _opened: anthropic.Anthropic | None = None

    def line(self, custom_id: str, request: Request) -> bytes:
        """Returns one of the requests of the body."""
        self.provider.verify(request)
        return orjson.dumps({"custom_id": custom_id, "params": self.provider.body(request)})

    def upload(self, uuid: str, file: IO[bytes]) -> str | None:
        """Does nothing: the input is the body of the submission."""
        return None

    def submit(self, uuid: str, group: str, file: IO[bytes], input_id: str | None) -> str:
        """Creates a batch."""
        from anthropic.types.messages import MessageBatch

        client = self._client()
        with self._translated(client):
            # not `messages.batches.create`, which wants all bodies as objects: many times their size in memory
            batch: MessageBatch = client.with_options(max_retries=0, timeout=SUBMIT_SECONDS).post(
                PATH, cast_to=MessageBatch, content=file, options={"headers": {"content-type": "application/json"}}
            )
            return batch.id

    def find(self, lost: LostBatch) -> str | Fate:
        """Looks among the batches of that time for one with these calls."""
        client = self._client()
        is_undecided = False
        with self._translated(client):
            for batch in client.messages.batches.list(limit=BATCHES_PER_PAGE):
                # the newest come first
                if batch.created_at < lost.since - CLOCK_MARGIN:
                    break
                if batch.id in lost.known_ids or _size(batch) != len(lost.custom_ids):
                    continue
                if batch.processing_status != "ended":
                    is_undecided = True
                elif batch.archived_at is None and self._has_exactly(batch.id, lost.custom_ids):
                    return batch.id
        return Fate.UNDECIDED if is_undecided else Fate.ABSENT

    def look(self, remote_id: str) -> BatchLook:
        """Retrieves the batch."""
        client = self._client()
        with self._translated(client):
            batch = client.messages.batches.retrieve(remote_id)
        calls = _size(batch)
        return BatchLook(
            is_ended=batch.processing_status == "ended",
            done=calls - batch.request_counts.processing,
            calls=calls,
            is_cancelled=batch.cancel_initiated_at is not None,
        )

    def results(self, remote_id: str) -> Iterator[BatchResult]:
        """Streams the results."""
        client = self._client()
        for line in self._lines(remote_id):
            yield _result(line, client.api_key or "")

    def cancel(self, remote_id: str) -> None:
        """Cancels the batch."""
        client = self._client()
        with self._translated(client):
            client.messages.batches.cancel(remote_id)

    def close(self) -> None:
        """Closes the connections."""
        client, self._opened = self._opened, None
        if client is not None:
            client.close()

    def _client(self) -> anthropic.Anthropic:
        if self._opened is None:
            import anthropic

            spec = self.provider.spec
            key = self.provider.key(spec)
            # the version that live calls name, not that of the client: bodies mean what they mean there
            version = {name: value for name, value in self.provider.headers(key).items() if name == VERSION_HEADER}
            self._opened = anthropic.Anthropic(
                api_key=key,
                default_headers=version,
                base_url=self.provider.address(spec.base_url),
                max_retries=READ_RETRIES,
                timeout=min(spec.timeout_seconds, ANSWER_SECONDS),
            )
        return self._opened

    # Any: JSON.
    def _lines(self, remote_id: str) -> Iterator[Mapping[str, Any]]:
        client = self._client()
        with (
            self._translated(client),
            client.messages.batches.with_streaming_response.results(remote_id) as content,
        ):
            for line in content.iter_lines():
                if line.strip():
                    yield orjson.loads(line)

    def _has_exactly(self, remote_id: str, custom_ids: frozenset[str]) -> bool:
        seen = 0
        for line in self._lines(remote_id):
            if line.get("custom_id") not in custom_ids:
                return False
            seen += 1
        return seen == len(custom_ids)

    @contextmanager
    def _translated(self, client: anthropic.Anthropic) -> Iterator[None]:
        """Turns what the SDK raises into the errors of live calls, none of which holds the key."""
        import anthropic
        import httpx2

        key, where = client.api_key or "", str(client.base_url)
        try:
            yield
        except anthropic.APIStatusError as error:
            words = without_key(str(error.api_message or error.response.text or error.message), key)
            headers = error.response.headers
            failed = status_error(error.status_code, words, headers, service="anthropic", code=error.type)
        except anthropic.APITimeoutError:
            failed = ServiceUnavailable("anthropic did not answer in time", where=where)
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            words = without_key(one_line(str(error.__cause__ or error)), key)
            failed = ServiceUnavailable(f"anthropic cannot be reached: {words}", where=where)
        except (anthropic.AnthropicError, ValueError) as error:
            # a batch without its results, or what should have been JSON
            failed = ServiceUnavailable(
                f"anthropic sent what is no batch: {without_key(one_line(str(error)), key)}", where=where
            )
        else:
            return
        # the SDK's exceptions hold the request, and so the key
        raise failed from None


def _size(batch: MessageBatch) -> int:
    counts = batch.request_counts
    return counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired


# Any: JSON.
def _result(line: Mapping[str, Any], key: str) -> BatchResult:
    name, result = str(line.get("custom_id")), line.get("result") or {}
    kind = result.get("type")
    if kind == "succeeded":
        message = result.get("message") or {}
        return BatchResult(name, message)
    if kind == "errored":
        # an error object inside an error response, as a live call gets it
        response = result.get("error") or {}
        error = response.get("error") or {}
        code = str(error.get("type") or "api_error")
        words = without_key(str(error.get("message") or code), key)
        failed: ProviderError = status_error(STATUSES.get(code, 500), words, {}, service="anthropic", code=code)
        return BatchResult(name, error=failed, is_retryable=isinstance(failed, ServiceUnavailable))
    if kind == "canceled":
        return BatchResult(name, error=ServiceUnavailable("the batch was cancelled before this call"))
    failed = ServiceUnavailable(f"anthropic did not answer a call of a batch: {kind or 'no reason given'}")
    return BatchResult(name, error=failed, is_retryable=kind == "expired")
