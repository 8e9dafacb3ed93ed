"""Asks local models in tests, as the engine would."""

from __future__ import annotations

from dreamsmk.providers import LocalProvider, Provider
from dreamsmk.requests import Message, ModelIdentity, Request, Response, Sampling
from dreamsmk.settings import ModelSpec

OUTER = ("sample", "tools", "schema", "wanted")


def local_request(spec: ModelSpec, prompt: str = "the of and", *, system: str | None = None, **values) -> Request:
    """Returns a request; `values` are sampling values, or `sample`, `tools`, `schema`, `wanted`."""
    outer = {name: values.pop(name) for name in OUTER if name in values}
    messages = ((Message("system", system),) if system else ()) + (Message("user", prompt),)
    return Request(ModelIdentity(spec.provider, spec.model), messages, Sampling(**values), **outer)


def ask_local(provider: Provider, *requests: Request) -> list[Response]:
    """Returns the replies in the order of the requests."""
    assert isinstance(provider, LocalProvider)
    replies = dict(provider.generate(requests))
    assert sorted(replies) == list(range(len(requests)))
    return [replies[index] for index in range(len(requests))]
