"""What a batch API is: many calls submitted as one, looked at until they have ended, and the result of each.

Contract: what stands in a batch for a call is the very body that a live call sends, and what is read from a result is
read as a live reply is. Nothing here remembers anything: `calls.batch_ledger` does. `submit` is asked once and never
repeats itself, since a repeat may be a second batch that is paid for; when its answer is lost, `find` says what became
of it. Errors are those of live calls: `RequestRejected` and `MissingCredentials` for good, `ServiceUnavailable` for
now, and no message holds the API key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, ClassVar

import orjson

from dreamsmk.errors import ProviderError
from dreamsmk.providers.credentials import without_key
from dreamsmk.providers.identity import normal_base_url
from dreamsmk.requests import Request, Response

if TYPE_CHECKING:
    from dreamsmk.providers.http_provider import HttpProvider


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What a service takes as one batch.

    Attributes:
        calls: Calls, at most.
        size_bytes: The whole input, at most.
        arrival_seconds: After this time, a batch that was asked for and is not in the service's list does not exist.
    """

    calls: int
    size_bytes: int
    arrival_seconds: float


@dataclass(frozen=True, slots=True)
class BatchInput:
    """How the calls of a batch stand together in its input: what comes before, between and after them."""

    before: bytes
    between: bytes
    after: bytes

    def write(self, lines: Sequence[bytes], file: IO[bytes]) -> None:
        """Writes the input of some calls."""
        file.write(self.before)
        for number, line in enumerate(lines):
            if number:
                file.write(self.between)
            file.write(line)
        file.write(self.after)

    def size_bytes(self, lines: int, lines_bytes: int) -> int:
        """Returns how long the input of so many calls is."""
        return len(self.before) + lines_bytes + max(0, lines - 1) * len(self.between) + len(self.after)


@dataclass(frozen=True, slots=True)
class LostBatch:
    """A batch that was asked for, and whose id is not known.

    Attributes:
        uuid: Our own name for it.
        custom_ids: Its calls.
        since: When it was asked for, by this machine's clock.
        known_ids: Batches that are known to be others.
    """

    uuid: str
    custom_ids: frozenset[str]
    since: datetime
    known_ids: frozenset[str]


class Fate(Enum):
    """What became of a batch that was asked for and is not found."""

    ABSENT = "the service has none"
    UNDECIDED = "it may be one that is still running"


@dataclass(frozen=True, slots=True)
class BatchLook:
    """How far a batch is.

    Attributes:
        done: Calls that have their result; some services tell it only at the end.
        problem: Why the whole of it failed, where it did.
        is_cancelled: Whether somebody cancelled it.
    """

    is_ended: bool
    done: int
    calls: int
    problem: ProviderError | None = None
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one call.

    Attributes:
        custom_id: Which call.
        reply: The JSON object that a live call would have got; None where there is none.
        request_id: The service's id of the call, where it gives one.
        error: Why there is no reply.
        is_retryable: Whether the same call may succeed in another batch.
    """

    custom_id: str
    # Any: JSON.
    reply: Mapping[str, Any] | None = None
    request_id: str | None = None
    error: ProviderError | None = None
    is_retryable: bool = False


class BatchService(ABC):
    """The batch API of the service behind a provider. Used from one thread, and it waits for the network.

    Args:
        provider: What says bodies and reads replies; its spec names the endpoint and the key.
        limits: What the service takes as one batch, where it is not what it says itself.
    """

    LIMITS: ClassVar[BatchLimits]
    INPUT: ClassVar[BatchInput]

    def __init__(self, provider: HttpProvider, limits: BatchLimits | None = None) -> None:
        self.provider = provider
        self.limits = limits or self.LIMITS

    @property
    def base_url(self) -> str:
        """The endpoint, in its one spelling; empty for the provider's own."""
        return normal_base_url(self.provider.spec.base_url, self.provider.capabilities.default_base_url) or ""

    def group(self, request: Request) -> str:
        """Returns what all calls of one batch must share: the path that they go to."""
        return self.provider.route(request)

    @abstractmethod
    def line(self, custom_id: str, request: Request) -> bytes:
        """Returns what stands in a batch for a call.

        Raises:
            RequestRejected: The request cannot be said in this API.
        """

    @abstractmethod
    def upload(self, uuid: str, file: IO[bytes]) -> str | None:
        """Uploads an input, where the service wants it beforehand.

        Returns:
            The service's id of it; None where it is part of `submit`.
        """

    @abstractmethod
    def submit(self, uuid: str, group: str, file: IO[bytes], input_id: str | None) -> str:
        """Asks for a batch, once.

        Returns:
            The service's id of it.

        Raises:
            RequestRejected: The service will not have it.
            MissingCredentials: There is no API key.
            ServiceUnavailable: With status 429, there is no batch. With any other, there may be one: see `find`.
        """

    @abstractmethod
    def find(self, lost: LostBatch) -> str | Fate:
        """Returns the id of a batch that was asked for, or what is known of its fate now."""

    @abstractmethod
    def look(self, remote_id: str) -> BatchLook:
        """Returns how far a batch is."""

    @abstractmethod
    def results(self, remote_id: str) -> Iterator[BatchResult]:
        """Yields the results of a batch that has ended, in any order; some calls may have none."""

    @abstractmethod
    def cancel(self, remote_id: str) -> None:
        """Asks the service to end a batch; calls that have their reply keep it."""

    @abstractmethod
    def close(self) -> None:
        """Closes the connections."""

    def read(self, result: BatchResult, request: Request, *, seconds: float) -> Response:
        """Returns the reply of a result that has one.

        Raises:
            ProviderError: It is no reply.
        """
        assert result.reply is not None
        reply = result.reply
        if reply.get("error") is not None:
            # its words go into a message, and some services repeat the key in theirs
            plain = without_key(orjson.dumps(reply).decode(), self.provider.key(self.provider.spec))
            reply = orjson.loads(plain)
        return self.provider.read(reply, request, seconds=seconds, request_id=result.request_id)


def custom_id(key: str) -> str:
    """Returns what a call is named in a batch: the 64 hexadecimal digits of its key.

    Anthropic takes letters, digits, `_` and `-`, 64 at most.
    """
    return key.rpartition(":")[2]
