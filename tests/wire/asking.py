"""Asks providers in tests, as the engine would."""

from __future__ import annotations

import asyncio

from dreamsmk.providers import LocalProvider, Provider, ServiceProvider
from dreamsmk.requests import Message, ModelIdentity, Request, Response, Sampling
from dreamsmk.settings import ModelSpec

KEY = "sk-test-0123456789abcdef"


def make_request(spec: ModelSpec, prompt: str = "Say something.", *, system: str | None = None, **values) -> Request:
    """Returns a request; `values` are sampling values, or `sample`, `tools`, `schema`."""
    outer = {name: values.pop(name) for name in ("sample", "tools", "schema") if name in values}
    messages = ((Message("system", system),) if system else ()) + (Message("user", prompt),)
    return Request(ModelIdentity(spec.provider, spec.model), messages, Sampling(**values), **outer)


def ask(provider: Provider, *requests: Request) -> list[Response]:
    """Returns the replies in the order of the requests."""
    if isinstance(provider, LocalProvider):
        replies = dict(provider.generate(requests))
        assert sorted(replies) == list(range(len(requests)))
        return [replies[index] for index in range(len(requests))]
    assert isinstance(provider, ServiceProvider)

    async def all_at_once() -> list[Response]:
        try:
            return await asyncio.gather(*(provider.complete(request) for request in requests))
        finally:
            await provider.close()

    return asyncio.run(all_at_once())
