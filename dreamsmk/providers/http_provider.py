"""What service providers over HTTP have in common: one request becomes one body, one body one reply.

Contract: what is sent is what the request says and nothing else; what cannot be sent is refused before a connection is
opened. `route`, `body` and `read` are pure, so that a batch API sends and reads the very same things as live calls do.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import ProviderError, RequestRejected, SettingsError, nearest
from dreamsmk.providers.base import Capabilities, ServiceProvider, check_request
from dreamsmk.providers.credentials import check_base_url, check_replicas
from dreamsmk.providers.endpoints import Endpoints
from dreamsmk.providers.http_client import Answered, HttpClient
from dreamsmk.providers.model_facts import ModelFacts, is_too_long, too_long
from dreamsmk.requests import Request, Response, Sampling
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    from dreamsmk.providers.batches import BatchService

TOOL_CHOICES = ("auto", "none", "required")


class HttpProvider(ServiceProvider):
    """A model behind an HTTP API."""

    keeps_time: ClassVar[bool] = True

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._client = HttpClient(spec.provider, spec.timeout_seconds)
        self._endpoints = Endpoints([self.address(spec.base_url), *map(self.address, spec.replicas)])
        self._own = self.capabilities_of(spec)
        # The last sampling values that passed: the engine gives the same object with all requests of a rule.
        self._checked: Sampling | None = None
        self._facts: asyncio.Future[ModelFacts | None] | None = None

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds a missing key, a wrong endpoint, and values that are not taken."""
        super().check(spec)
        taken = cls.capabilities_of(spec)
        for name in spec.group("sampling"):
            if name not in taken.sampling:
                raise SettingsError(
                    f"the api {spec.api!r} of {spec.provider!r} takes no {name!r}", hint=nearest(name, taken.sampling)
                )
        check_base_url(spec)
        check_replicas(spec)
        cls.key(spec)

    @classmethod
    @abstractmethod
    def key(cls, spec: ModelSpec) -> str:
        """Returns the API key of a spec from the environment.

        Raises:
            MissingCredentials: There is none.
        """

    @abstractmethod
    def address(self, base_url: str | None) -> str:
        """Returns the address that the routes stand under."""

    @abstractmethod
    def headers(self, key: str) -> dict[str, str]:
        """Returns the headers that go with every request."""

    @abstractmethod
    def route(self, request: Request) -> str:
        """Returns the path below the address that a request goes to, with a slash in front."""

    # Any: the JSON body.
    @abstractmethod
    def body(self, request: Request) -> dict[str, Any]:
        """Returns the JSON object that is sent for a request.

        Raises:
            RequestRejected: The request cannot be said in this API.
        """

    # Any: the JSON reply.
    @abstractmethod
    def read(
        self, reply: Mapping[str, Any], request: Request, *, seconds: float = 0.0, request_id: str | None = None
    ) -> Response:
        """Returns the reply that a JSON object says.

        Args:
            reply: The JSON object that came back.
            request: What it is the reply to.
            seconds: How long it took.
            request_id: The id of the call in the reply's headers, where there is one.

        Raises:
            ServiceUnavailable: It is no reply.
        """

    def verify(self, request: Request) -> None:
        """Raises `RequestRejected` for a request that the API could not honour as a whole; sends nothing."""
        sampling = request.sampling
        # a request with known sampling values and neither tools nor a wish can only have wrong messages
        if sampling is self._checked and not (request.tools or request.tool_choice or request.wanted):
            check_messages(request, self._own)
            return
        check_request(request, self._own)
        check_tools(request)
        self._checked = sampling

    async def complete(self, request: Request) -> Response:
        """Sends one request and returns its reply."""
        self.verify(request)
        body = self.body(request)
        started = time.monotonic()
        reply, headers = await self._send(self.route(request), body)
        request_id = headers.get("x-request-id") or headers.get("request-id")
        return self.read(reply, request, seconds=time.monotonic() - started, request_id=request_id)

    async def facts(self) -> ModelFacts | None:
        """Returns the model's limits as the service tells them, or None where it tells none; asks once."""
        if self._facts is None or self._facts.get_loop() is not asyncio.get_running_loop():
            self._facts = asyncio.ensure_future(self._ask_facts())
        return await asyncio.shield(self._facts)

    def batches(self) -> BatchService:
        """Returns the batch API of the service.

        Raises:
            RequestRejected: There is none.
        """
        raise RequestRejected(f"the provider {self.spec.provider!r} has no batch API", hint="leave `mode: batch` out")

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    # Any: JSON.
    async def _send(self, route: str, body: Mapping[str, Any]) -> Answered:
        key = self._open()
        try:
            with self._endpoints.one() as address:
                return await self._client.post(address + route, body, key=key)
        except RequestRejected as error:
            raise await self._explained(error) from None

    # Any: JSON.
    async def _get(self, route: str) -> dict[str, Any]:
        key = self._open()
        with self._endpoints.one() as address:
            return await self._client.get(address + route, key=key)

    def _open(self) -> str:
        """Opens the connections, where they are not, and returns the key that goes with the next request."""
        key = self.key(self.spec)
        if not self._client.is_open:
            self._client.open(self.headers(key))
        return key

    @abstractmethod
    async def read_facts(self) -> ModelFacts | None:
        """Asks the service for the model's limits."""

    async def _ask_facts(self) -> ModelFacts | None:
        try:
            return await self.read_facts()
        except ProviderError:
            # many servers have no list of models: then nothing is known
            return None

    async def _explained(self, error: RequestRejected) -> RequestRejected:
        if not is_too_long(error):
            return error
        facts = await self.facts()
        return error if facts is None else too_long(error, facts)


def check_messages(request: Request, capabilities: Capabilities) -> None:
    """Raises `RequestRejected` for messages that a provider does not take; see `base.check_request`."""
    roles, has_images = capabilities.roles, capabilities.has_images
    are_taken = all(m.role in roles and (has_images or not m.images) for m in request.messages)
    if not are_taken or not request.messages:
        check_request(request, capabilities)


def check_tools(request: Request) -> None:
    """Raises `RequestRejected` for a choice among tools that there is not, and for tools without a name."""
    names = [tool.get("name") for tool in request.tools]
    if not all(isinstance(name, str) and name for name in names):
        raise RequestRejected("a tool has no name", hint="give each tool a name, a description and parameters")
    choice = request.tool_choice
    if choice is None:
        return
    if not names:
        raise RequestRejected(f"the request has a tool_choice, {choice!r}, and no tools")
    if choice not in TOOL_CHOICES and choice not in names:
        raise RequestRejected(f"there is no tool {choice!r}", hint=nearest(choice, [*map(str, names), *TOOL_CHOICES]))


# Any: JSON.
def with_extra(body: dict[str, Any], *extras: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a body with further values; objects are joined, and lists of tools are put together.

    Raises:
        RequestRejected: A value stands in the body already, and would be lost.
    """
    merged: dict[str, Any] = {}
    for extra in extras:
        merged.update(extra)
    if not merged:
        return body
    return _joined(body, merged, "")


# Any: JSON.
def _joined(body: Mapping[str, Any], extra: Mapping[str, Any], place: str) -> dict[str, Any]:
    joined = dict(body)
    for name, value in extra.items():
        own = joined.get(name)
        if name not in joined:
            joined[name] = value
        elif isinstance(own, Mapping) and isinstance(value, Mapping):
            joined[name] = _joined(own, value, f"{place}{name}.")
        elif name == "tools" and isinstance(own, list) and isinstance(value, Sequence):
            joined[name] = [*own, *value]
        else:
            raise RequestRejected(f"{place}{name} is given twice", hint="leave it out of extra and options")
    return joined
