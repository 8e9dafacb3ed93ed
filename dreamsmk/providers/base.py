"""What a provider is: one `Request` in, one `Response` out.

Contract: a provider raises `RequestRejected` or `MissingCredentials` for what can never succeed, `ServiceUnavailable`
for what may, and nothing else of a third party's. It neither retries nor caches nor counts: the engine does. Its
constructor is cheap and touches neither the network nor a heavy library, so that a job whose calls are all in the
cache loads no model. What it is given and cannot honour it refuses; it never leaves a value out in silence.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from dreamsmk.errors import MissingExtra, RequestRejected, SettingsError, nearest
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can be asked for.

    Attributes:
        sampling: Names of the values of `Sampling` that it takes; `extra` if it takes values of its own.
        fields: Names of the identity fields of a model spec that it takes, beside `provider` and `model`.
        is_local: Whether it runs in the job's own process and so wants the job's threads and GPUs.
        needs_key: Whether it needs an API key.
        has_tools: Whether requests may define tools.
        has_schema: Whether requests may ask for a reply that follows a JSON Schema.
        roles: The roles that a message may have.
        reserved: Names that `extra` and `options` must not hold, because each has a place of its own in a request.
        default_base_url: The endpoint that is used where the model spec has none.
        default_max_tokens: The limit of new tokens that is sent where a request has none; None where none is sent.
    """

    sampling: frozenset[str]
    fields: frozenset[str]
    is_local: bool = False
    needs_key: bool = False
    has_tools: bool = False
    has_schema: bool = False
    roles: frozenset[str] = frozenset({"system", "user", "assistant"})
    reserved: frozenset[str] = frozenset()
    default_base_url: str | None = None
    default_max_tokens: int | None = None


class Provider(ABC):
    """One model at one provider, ready to be asked.

    Args:
        spec: The model spec. `spec.model` and `spec.adapter` may be local folders.
    """

    capabilities: ClassVar[Capabilities]

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds what can be known to fail before the first call; loads nothing heavy.

        Raises:
            SettingsError: The spec asks for what the provider does not have.
            MissingCredentials: There is no API key.
            MissingExtra: A package is not installed.
        """
        check_fields(spec, cls.capabilities)
        check_sampling(spec.provider, list(spec.group("sampling")), cls.capabilities)
        check_reserved(spec.options, cls.capabilities)


class ServiceProvider(Provider):
    """A provider that answers over the network, many requests at a time."""

    @abstractmethod
    async def complete(self, request: Request) -> Response:
        """Sends one request, once, and returns its reply."""

    async def close(self) -> None:
        """Closes the connections; to be awaited in the loop that the requests were sent from."""


class LocalProvider(Provider):
    """A provider that runs the model in this process, a batch at a time."""

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Answers all requests, in whatever order is fastest.

        Yields:
            The index of a request and its reply, each as soon as its batch is done.

        Raises:
            RequestRejected: Some requests can never be answered; only after all the others were.
        """

    def close(self) -> None:
        """Frees the model's memory."""


def check_fields(spec: ModelSpec, capabilities: Capabilities) -> None:
    """Raises `SettingsError` for an identity field that the provider of a spec does not take."""
    for name in spec.group("identity"):
        if name not in capabilities.fields | {"provider", "model"}:
            raise SettingsError(
                f"the provider {spec.provider!r} takes no {name!r}", hint=nearest(name, capabilities.fields)
            )


def check_sampling(name: str, given: Sequence[str], capabilities: Capabilities) -> None:
    """Raises `SettingsError` for a sampling value that the provider `name` does not take."""
    for value in given:
        if value not in capabilities.sampling:
            raise SettingsError(
                f"the provider {name!r} takes no {value!r}", hint=nearest(value, capabilities.sampling - {"extra"})
            )


def check_reserved(names: Iterable[str], capabilities: Capabilities) -> None:
    """Raises `SettingsError` for a name in `extra` or `options` that has its own place in a request."""
    for name in names:
        if name in capabilities.reserved:
            raise SettingsError(f"{name!r} cannot be given in extra or options", hint="give it in its own field")


def check_options(spec: ModelSpec, known: Iterable[str]) -> None:
    """Raises `SettingsError` for an option of a spec that its provider does not know."""
    known = set(known)
    for name in spec.options:
        if name not in known:
            raise SettingsError(f"the provider {spec.provider!r} has no option {name!r}", hint=nearest(name, known))


def check_packages(packages: Iterable[str], extra: str) -> None:
    """Raises `MissingExtra` for a package that is not installed; imports none of them."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, extra)


def check_request(request: Request, capabilities: Capabilities) -> None:
    """Raises `RequestRejected` for a request that the provider could not honour as a whole."""
    name = request.model.provider
    try:
        check_sampling(name, list(request.sampling.given()), capabilities)
        check_reserved(request.sampling.extra, capabilities)
    except SettingsError as error:
        raise RequestRejected(error.what, hint=error.hint) from error
    if request.tools and not capabilities.has_tools:
        raise RequestRejected(f"the provider {name!r} takes no tools")
    if request.schema is not None and not capabilities.has_schema:
        raise RequestRejected(f"the provider {name!r} takes no JSON Schema for replies")
    if not request.messages:
        raise RequestRejected("the request has no message")
    for message in request.messages:
        if message.role not in capabilities.roles:
            raise RequestRejected(f"the provider {name!r} takes no message of the role {message.role!r}")
