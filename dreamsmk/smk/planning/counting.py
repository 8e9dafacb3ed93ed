"""The calls of planned jobs: how many, how many of them the call cache has, and how long they will be.

Contract: a call that two planned jobs need is made by the first of them alone, unless one of them keeps nothing or asks
everything anew. What is asked once more, since a reply does not follow its schema, is not foreseen. Keys are looked up
without reading a reply, some thousands at a time, and a request is forgotten once it is counted. No cache is made where
there is none; with `DREAMSMK_ASK_AGAIN` none is looked into.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from dreamsmk.calls import CacheMode, CallCache, is_there, open_cache
from dreamsmk.hashing import canonical_bytes, digest_bytes
from dreamsmk.providers import provider_class
from dreamsmk.requests import ModelIdentity, Request
from dreamsmk.requests.writing import RequestWriter
from dreamsmk.smk.again import is_asking_again

KEYS_AT_ONCE = 2000
CHARACTERS_PER_TOKEN = 4


@dataclass(slots=True)
class Counted:
    """What one model will be asked.

    Attributes:
        requests: Rows.
        to_make: Calls that will be made.
        characters: Characters of the calls that will be made.
        max_tokens: The most tokens that a reply may have, where there is a limit.
    """

    requests: int = 0
    to_make: int = 0
    characters: int = 0
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the calls of a rule are.

    Attributes:
        output_tokens: Tokens that a reply will have.
        output_basis: How that is known.
        input_tokens: Tokens that the rule's earlier calls had, where there were some.
    """

    output_tokens: float | None
    output_basis: str | None
    input_tokens: float | None = None


class CallCounter:
    """Counts calls against the call caches of a plan."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        self._caches: dict[str | Path, CallCache | None] = {}
        self._claimed: dict[str | Path, set[str]] = {}

    def count(self, requests: Iterator[Request], where: str | Path | None, mode: CacheMode | None = None) -> Counted:
        """Counts requests.

        Args:
            requests: What will be asked.
            where: The call cache; None where the keys are not final, so that nothing can be looked up.
            mode: How the job uses it.
        """
        counted, writer = Counted(), RequestWriter()
        is_anew = where is None or mode in ("write", "off")
        shared = set() if where is None else self._claimed.setdefault(where, set())
        own: set[str] = set()
        while batch := list(islice(requests, KEYS_AT_ONCE)):
            lengths = {digest_bytes(writer.body(request), "sha256"): _characters(request) for request in batch}
            known = set() if is_anew else self._existing(list(lengths), where) | shared
            missing = lengths.keys() - known - own
            own |= missing
            counted.requests += len(batch)
            counted.to_make += len(missing)
            counted.characters += sum(lengths[key] for key in missing)
            counted.max_tokens = _max_tokens(batch[0])
        if mode in (None, "write"):
            shared |= own
        return counted

    def lengths(self, identity: ModelIdentity, rule: str, max_tokens: int | None, where: str | Path) -> Lengths:
        """Returns how long calls will be: as the latest ones of the rule, else of any rule, else up to the limit."""
        cache = self._cache(where)
        found = cache.lately(identity.provider, identity.model) if cache is not None else []
        own = [calls for calls in found if calls.rule == rule]
        chosen = own or found
        replies = sum(calls.calls for calls in chosen)
        if not replies:
            return Lengths(max_tokens, None if max_tokens is None else "max_tokens")
        mean = sum(calls.usage.output_tokens for calls in chosen) / replies
        return Lengths(
            output_tokens=mean if max_tokens is None else min(mean, max_tokens),
            output_basis=f"mean of {replies:,} earlier replies" + ("" if own else " to other rules"),
            input_tokens=sum(calls.usage.input_tokens for calls in own) / replies if own else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _existing(self, keys: list[str], where: str | Path | None) -> set[str]:
        cache = self._cache(where) if where is not None and not is_asking_again() else None
        return cache.existing(keys) if cache is not None else set()

    def _cache(self, where: str | Path) -> CallCache | None:
        if where not in self._caches:
            self._caches[where] = self._open.enter_context(open_cache(where)) if is_there(where) else None
        return self._caches[where]


def _characters(request: Request) -> int:
    """Returns how many characters a request has: those of its messages, its schema and its tools."""
    beside = [request.schema] if request.schema is not None else []
    return sum(len(message.content) for message in request.messages) + sum(
        len(canonical_bytes(value)) for value in (*beside, *request.tools)
    )


def _max_tokens(request: Request) -> int | None:
    default = provider_class(request.model.provider).capabilities.default_max_tokens
    return request.sampling.max_tokens or default
