"""What a call cache is: replies by the key of their request, each kept for ever.

Contract: a reply, once stored, never changes: the first one put under a key stays, unless one is put that says that it
replaces it (`fresh`). A reply can be read back by the process that put it at once, and by every other process, whatever
happens to this one, within 100 ms. Rows are plain JSON, so that opening a stranger's cache runs nothing. What is stored
is the request, the reply and the rule; no API key is part of any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        base_url: The endpoint, where it is not the provider's own.
        rule: The rule that asked, where the counts are by rule; else None.
        retries: How often requests had to be sent again.
        latency_seconds: The mean of all of them.
    """

    provider: str
    model: str
    calls: int
    usage: Usage
    first_at: str
    last_at: str
    base_url: str | None = None
    rule: str | None = None
    retries: int = 0
    latency_seconds: float = 0.0


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


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls of a cache are meant: those that meet everything that is given.

    Attributes:
        model: The model id that was asked for.
        rule: The rule whose question brought the reply.
        since: Those that arrived at this moment or later: UTC, ISO 8601.
        until: Those that arrived before this moment.
        containing: Those whose request, as canonical JSON, contains this text.
        keys: Those of these keys; None for all.
    """

    model: str | None = None
    provider: str | None = None
    rule: str | None = None
    since: str | None = None
    until: str | None = None
    containing: str = ""
    keys: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class CallRow:
    """A whole call as a cache stores it.

    Attributes:
        request: The canonical JSON of the request; its SHA-256 is the key.
        response: The JSON of the reply.
    """

    key: str
    request: str
    response: str
    created_at: str
    rule: str
    model: str
    provider: str


ALL = Selection()

# How long a claim of a process that cannot be asked whether it still lives holds.
CLAIM_SECONDS = 60.0


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

    def refuse(self, requests: Sequence[Request]) -> None:
        """Raises where requests that have no reply must not be asked; called before their claim and any provider.

        Raises:
            OfflineMiss: Every reply must come from the cache.
        """
        ...

    def claim(self, keys: Sequence[str], *, anew: bool = False) -> set[str]:
        """Claims the right to make calls, so that no other process makes the same ones meanwhile.

        A claim is this object's until the reply is durable, it is released or its process ends; where others cannot see
        that process, `CLAIM_SECONDS` after its end. It is renewed by itself.

        Args:
            keys: Keys that `get_many` did not find; some hundreds at a time are best.
            anew: Whether a reply that is stored is no reason against making the call.

        Returns:
            Those of the keys that are now claimed by this object. Of the others, another process waits for the reply,
            or it is stored already.
        """
        ...

    def release(self, keys: Sequence[str]) -> None:
        """Gives claims up, where calls will not be made or have failed."""
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

    def rows(self, selection: Selection = ALL) -> Iterator[CallRow]:
        """Yields whole calls, the oldest first, without ever holding all of them."""
        ...

    def newest(self, selection: Selection = ALL, *, limit: int) -> list[CallRow]:
        """Returns whole calls, the newest first."""
        ...

    def beginning(self, start: str, *, limit: int) -> list[CallRow]:
        """Returns whole calls whose key begins with a text."""
        ...

    def count(self, selection: Selection = ALL) -> int:
        """Returns how many calls are stored."""
        ...

    def add_rows(self, rows: Iterable[CallRow]) -> int:
        """Stores whole calls that another cache gave; those whose key is stored stay as they are.

        Returns:
            How many were new.

        Raises:
            CacheError: A row's key is not the digest of its request, or its reply is none: it is not stored, nor
                anything behind it; what was a thousand rows before it is.
        """
        ...

    def drop(self, selection: Selection) -> int:
        """Deletes calls for ever and returns how many there were."""
        ...

    def vacuum(self) -> None:
        """Gives the space of deleted calls back to the file system."""
        ...

    def close(self) -> None:
        """Flushes and closes; harmless when closed already."""
        ...

    def stats(self, selection: Selection = ALL, *, by_rule: bool = False) -> list[ModelCalls]:
        """Returns what is stored of each model, ordered by provider, model and endpoint.

        Args:
            selection: What is counted.
            by_rule: Whether each rule that asked a model is counted by itself.
        """
        ...

    def lately(self, provider: str, model: str) -> list[RuleCalls]:
        """Returns what the latest replies of a model came to, by rule; looks at a bounded number of replies."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
