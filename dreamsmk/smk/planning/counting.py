"""The calls of planned jobs: how many, how many of them the call cache has, and how long they will be.

Contract: a call that two planned jobs need is made by the first of them alone. Keys are looked up without reading a
reply, some thousands at a time, and a request is forgotten once it is counted. No cache is made where there is none;
with `DREAMSMK_ASK_AGAIN` none is looked into.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from dreamsmk.calls import SqliteCallCache
from dreamsmk.calls.keys import RequestWriter
from dreamsmk.hashing import digest_bytes
from dreamsmk.providers import provider_class
from dreamsmk.requests import ModelIdentity, Request
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
        self._caches: dict[Path, SqliteCallCache | None] = {}
        self._claimed: dict[Path, set[str]] = {}

    def count(self, requests: Iterator[Request], calls_path: Path | None) -> Counted:
        """Counts requests.

        Args:
            requests: What will be asked.
            calls_path: The call cache; None where the keys are not final, so that nothing can be looked up.
        """
        counted, writer = Counted(), RequestWriter()
        claimed = self._claimed.setdefault(calls_path, set()) if calls_path is not None else set()
        while batch := list(islice(requests, KEYS_AT_ONCE)):
            lengths: dict[str, int] = {}
            for request in batch:
                key = digest_bytes(writer.body(request), "sha256")
                lengths[key] = sum(len(message.content) for message in request.messages)
            known = self._existing(list(lengths), calls_path)
            missing = [key for key in lengths if key not in known and key not in claimed]
            claimed.update(missing)
            counted.requests += len(batch)
            counted.to_make += len(missing)
            counted.characters += sum(lengths[key] for key in missing)
            counted.max_tokens = _max_tokens(batch[0])
        return counted

    def lengths(self, identity: ModelIdentity, rule: str, max_tokens: int | None, calls_path: Path) -> Lengths:
        """Returns how long calls will be: as the latest ones of the rule, else of any rule, else up to the limit."""
        cache = self._cache(calls_path)
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

    def _existing(self, keys: list[str], calls_path: Path | None) -> set[str]:
        cache = self._cache(calls_path) if calls_path is not None and not is_asking_again() else None
        return cache.existing(keys) if cache is not None else set()

    def _cache(self, path: Path) -> SqliteCallCache | None:
        if path not in self._caches:
            self._caches[path] = self._open.enter_context(SqliteCallCache(path)) if path.exists() else None
        return self._caches[path]


def _max_tokens(request: Request) -> int | None:
    default = provider_class(request.model.provider).capabilities.default_max_tokens
    return request.sampling.max_tokens or default
