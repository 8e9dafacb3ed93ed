"""What a call cache is: replies by the key of their request, each kept for ever.

Contract: a reply, once stored, never changes: the first one put under a key stays, unless one is put that says that it
replaces it (`fresh`). A reply can be read back by the process that put it at once, and by every other process, whatever
happens to this one, within 100 ms. Rows are plain JSON, so that opening a stranger's cache runs nothing. What is stored
is the request, the reply and the rule; no API key is part of any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from dreamsmk.requests import Request, Response, Usage


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """What a cache holds of one model.

    Attributes:
        provider: The wire family of the model.
        model: The model id that was asked for.
        calls: Replies that are stored.
        usage: Tokens of all of them.
        first_at: When the earliest of them arrived: UTC, ISO 8601.
        last_at: When the latest of them arrived.
    """

    provider: str
    model: str
    calls: int
    usage: Usage
    first_at: str
    last_at: str


@dataclass(frozen=True, slots=True)
class RuleCalls:
    """What a cache holds of one model, as one rule asked it lately.

    Attributes:
        rule: The rule that asked.
        calls: Replies that were looked at.
        usage: Tokens of all of them.
    """

    rule: str
    calls: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call that a cache has, without its reply.

    Attributes:
        request: The canonical JSON of the request, as a value.
        created_at: When the reply arrived: UTC, ISO 8601.
        rule: The rule whose question brought the reply.
    """

    key: str
    # Any: JSON.
    request: Mapping[str, Any]
    created_at: str
    rule: str


class Replies(Protocol):
    """What the engine wants of a cache. Every method may be called from any thread, and raises `CacheError` alone."""

    def get_many(self, keys: Sequence[str]) -> dict[str, Response]:
        """Returns the replies that are stored, by key; best asked for some 500 to 2,000 keys at a time."""
        ...

    def put(
        self,
        key: str,
        request: Request,
        response: Response,
        *,
        rule: str = "",
        body: bytes | None = None,
        replaces: bool = False,
    ) -> None:
        """Stores one reply, unless there is one under that key; never waits for the disk.

        Args:
            key: `request.key()`.
            request: What was asked.
            response: What was answered.
            rule: The rule that asked.
            body: The canonical JSON of the request, where the caller has it at hand.
            replaces: Whether it takes the place of the one that is stored. It then counts as the newest.

        Raises:
            CacheError: An earlier reply could not be written.
        """
        ...

    def flush(self) -> None:
        """Returns when every reply that was put is durable."""
        ...


class CallCache(Replies, Protocol):
    """Replies by key. Every method may be called from any thread, and raises `CacheError` alone."""

    def existing(self, keys: Sequence[str]) -> set[str]:
        """Returns those of the keys that a reply is stored under, without reading any reply."""
        ...

    def stored(self, *, model: str | None = None, containing: str = "", limit: int = 1000) -> list[StoredCall]:
        """Returns calls that are stored, the newest first.

        Args:
            model: Only those of this model id.
            containing: Only those whose canonical JSON contains this text.
            limit: The most that are returned.
        """
        ...

    def close(self) -> None:
        """Flushes and closes; harmless when closed already."""
        ...

    def stats(self) -> list[ModelCalls]:
        """Returns what is stored of each model, ordered by provider and model."""
        ...

    def lately(self, provider: str, model: str) -> list[RuleCalls]:
        """Returns what the latest replies of a model came to, by rule; looks at a bounded number of replies."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
