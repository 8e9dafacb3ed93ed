"""Batches in tests: runs that go through one of the batch APIs of a wire server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamsmk.calls import SqliteCallCache, Tally, answer
from dreamsmk.calls.batches.carrier import BatchCarrier
from dreamsmk.calls.batches.ledger import BatchLedger
from dreamsmk.calls.call import Call
from dreamsmk.calls.retry import RetryPolicy
from dreamsmk.hashing import canonical_bytes
from dreamsmk.providers import resolve_identity
from dreamsmk.providers.anthropic import AnthropicProvider
from dreamsmk.providers.batches import BatchService
from dreamsmk.providers.batches.anthropic import AnthropicBatches
from dreamsmk.providers.batches.openai import OpenAIBatches
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.requests import Message, Request, Response, Sampling
from dreamsmk.settings import ModelSpec
from tests.unit.calls.providers import Told

KINDS = ("openai", "anthropic")
# How long a lost submission may take to be in the list, in tests.
ARRIVAL_SECONDS = 0.3


def limited(service: BatchService, limits: dict[str, Any]) -> BatchService:
    service.limits = dataclasses.replace(service.LIMITS, **{"arrival_seconds": ARRIVAL_SECONDS, **limits})
    return service


class Heard(Told):
    """A progress that remembers its notes as well."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Desk:
    """Runs against one service; its ledger and its cache lie in one folder.

    Attributes:
        limits: Limits of a batch that are lower than the service's own.
        told: What the last run said.
        tally: What the last run came to.
    """

    kind: str
    url: str
    folder: Path
    limits: dict[str, Any] = field(default_factory=dict)
    told: Heard = field(default_factory=Heard)
    tally: Tally = field(default_factory=Tally)

    @property
    def ledger_path(self) -> Path:
        return self.folder / "batches.db"

    @property
    def cache_path(self) -> Path:
        return self.folder / "calls.db"

    def spec(self, **values: Any) -> ModelSpec:
        base_url = f"{self.url}/v1" if self.kind == "openai" else self.url
        given = {"provider": self.kind, "model": "a-model", "base_url": base_url, "mode": "batch", "max_retries": 2}
        return ModelSpec(**{**given, **values})

    def provider(self, **values: Any) -> OpenAIProvider | AnthropicProvider:
        limits = self.limits

        class Quick(OpenAIProvider if self.kind == "openai" else AnthropicProvider):  # type: ignore[misc]  # either
            def batches(self) -> BatchService:
                return limited(super().batches(), limits)

        return Quick(self.spec(**values))

    def request(self, prompt: str, **values: Any) -> Request:
        sampling = values.pop("sampling", Sampling(max_tokens=50))
        return Request(resolve_identity(self.spec(), str), (Message("user", prompt),), sampling, **values)

    def run(self, prompts: Iterable[str | Request], **values: Any) -> list[Response]:
        """Answers prompts through the engine."""
        self.told, self.tally = Heard(), Tally()
        requests = [prompt if isinstance(prompt, Request) else self.request(prompt) for prompt in prompts]
        with SqliteCallCache(self.cache_path) as cache:
            replies = answer(
                self.provider(**values),
                cache,
                requests,
                progress=self.told,
                rule="a_rule",
                tally=self.tally,
                batches=self.ledger_path,
            )
            return list(replies)

    def carrier(self, cache: SqliteCallCache, *, retries: int = 2, notes: list[str] | None = None) -> BatchCarrier:
        """Returns what the engine uses, for tests that stop half way."""
        service_type = OpenAIBatches if self.kind == "openai" else AnthropicBatches
        service = limited(service_type(self.provider()), self.limits)

        def keep(call: Call) -> None:
            assert call.response is not None
            cache.put(call.key, call.request, call.response, rule="a_rule", body=call.body)

        policy = RetryPolicy(retries, base_seconds=0.02)
        note = (lambda text: None) if notes is None else notes.append
        return BatchCarrier(service, cache, keep, self.ledger_path, policy=policy, note=note)

    def call(self, prompt: str) -> Call:
        request = self.request(prompt)
        return Call(request.key(), request, canonical_bytes(request.canonical()))

    def ledger(self) -> BatchLedger:
        return BatchLedger(self.ledger_path)

    def cached(self) -> set[str]:
        """Returns the last words of the prompts that the cache has replies to."""
        with SqliteCallCache(self.cache_path) as cache:
            return {stored.request["messages"][-1]["content"] for stored in cache.stored()}


def collected(carrier: BatchCarrier, count: int) -> list[Call]:
    """Returns calls that came to their end, at least so many of them."""
    done: list[Call] = []
    while len(done) < count:
        some = carrier.collect(wait_seconds=10.0)
        assert some
        done += some
    return done


def prompts(count: int) -> list[str]:
    return [f"prompt {number}" for number in range(count)]


def text_of(prompt: str, reply: Response) -> bool:
    """Whether a reply is the one to a prompt."""
    return reply.text.startswith("Reply ") and reply.text.endswith(f" to: {prompt}")
