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
from dreamsmk.providers.measure import Measure
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
        apis: The values of `api` that it takes, the usual one first; empty where it has but one.
        wanted: What it can be asked for: `text`, `embedding`, `labels`.
        has_tools: Whether requests may define tools.
        has_schema: Whether it holds a reply to a JSON Schema by itself.
        has_images: Whether messages may show images.
        has_batch: Whether its service has a batch API (`mode: batch`).
        roles: The roles that a message may have.
        execution_options: Names of options that change no reply (where layers lie, how much memory is taken), so that
            they are no part of a model's identity.
        reserved: Names that `extra` and `options` must not hold, because each has a place of its own in a request.
        default_base_url: The endpoint that is used where the model spec has none.
        default_max_tokens: The limit of new tokens that is sent where a request has none; None where none is sent.
    """

    sampling: frozenset[str]
    fields: frozenset[str]
    is_local: bool = False
    needs_key: bool = False
    apis: tuple[str, ...] = ()
    wanted: frozenset[str] = frozenset({"text"})
    has_tools: bool = False
    has_schema: bool = False
    has_images: bool = False
    has_batch: bool = False
    roles: frozenset[str] = frozenset({"system", "user", "assistant"})
    execution_options: frozenset[str] = frozenset()
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
        if spec.mode == "batch" and not cls.capabilities.has_batch:
            raise SettingsError(f"the provider {spec.provider!r} has no batch API", hint="leave `mode: batch` out")

    @classmethod
    def capabilities_of(cls, spec: ModelSpec) -> Capabilities:
        """Returns what a model spec can be asked for: less than `capabilities` where its API takes less."""
        return cls.capabilities

    @classmethod
    def measure(cls, spec: ModelSpec) -> Measure | None:
        """Returns how the model of a spec counts tokens; None where that cannot be told without asking it."""
        return None


class ServiceProvider(Provider):
    """A provider that answers over the network, many requests at a time.

    Attributes:
        keeps_time: Whether a request ends by itself after the spec's `timeout_seconds`; the engine ends it otherwise.
    """

    keeps_time: ClassVar[bool] = False

    @property
    def rows_at_once(self) -> int:
        """How many requests `complete_many` can send as one; 1 where there is nothing to be gained.

        It counts for requests with the same `wanted` other than None (embeddings); for texts, see `texts_at_once`.
        """
        return 1

    @property
    def texts_at_once(self) -> int:
        """How many requests for a text `complete_many` can send as one; 1 where each of them is sent by itself.

        Where rates or budgets are to be held, each is sent by itself all the same.
        """
        return 1

    @abstractmethod
    async def complete(self, request: Request) -> Response:
        """Sends one request, once, and returns its reply."""

    async def complete_many(self, requests: Sequence[Request]) -> list[Response]:
        """Sends up to `rows_at_once` or `texts_at_once` requests as one, once; fails as a whole.

        Returns:
            One reply a request, in their order.
        """
        return [await self.complete(request) for request in requests]

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
    fields = capabilities.fields | {"provider", "model"} | ({"api"} if capabilities.apis else set())
    for name in spec.group("identity"):
        if name not in fields:
            raise SettingsError(f"the provider {spec.provider!r} takes no {name!r}", hint=nearest(name, fields))
    if spec.api is not None and spec.api not in capabilities.apis:
        raise SettingsError(
            f"the provider {spec.provider!r} has no api {spec.api!r}", hint=nearest(spec.api, capabilities.apis)
        )
    if spec.mode == "batch" and not capabilities.has_batch:
        raise SettingsError(f"the provider {spec.provider!r} has no batch API", hint="leave out mode: batch")


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
    if (request.wanted or "text") not in capabilities.wanted:
        raise RequestRejected(f"the provider {name!r} gives no {request.wanted or 'text'}")
    if not request.messages:
        raise RequestRejected("the request has no message")
    for message in request.messages:
        if message.role not in capabilities.roles:
            raise RequestRejected(f"the provider {name!r} takes no message of the role {message.role!r}")
        if message.images and not capabilities.has_images:
            raise RequestRejected(f"the provider {name!r} takes no images")
