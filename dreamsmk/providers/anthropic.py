"""The provider `anthropic`: the Messages API.

Contract: what is sent is what the request says and nothing else, but for one value: the API requires `max_tokens`, so
that `DEFAULT_MAX_TOKENS` is sent where the request has none. Values without a place of their own (`thinking`,
`service_tier`, …) go through `extra` of the sampling values or `options` of the model spec. The environment's
`ANTHROPIC_BASE_URL` is not obeyed: the endpoint is part of the model's identity, so it stands in the config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from dreamsmk.providers.anthropic_messages import DEFAULT_MAX_TOKENS, SAME_NAME, messages_body, read_message
from dreamsmk.providers.base import Capabilities, check_packages
from dreamsmk.providers.credentials import read_api_key
from dreamsmk.providers.http_provider import HttpProvider, with_extra
from dreamsmk.providers.model_facts import ModelFacts, read_facts
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    from dreamsmk.providers.batches import BatchService

KEY_ENV = "ANTHROPIC_API_KEY"
DEFAULT_BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
RESERVED = frozenset({"model", "messages", "system", "stream", "stop_sequences", "max_tokens", *SAME_NAME})


class AnthropicProvider(HttpProvider):
    """A model behind the Messages API."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset({*SAME_NAME, "max_tokens", "stop", "extra"}),
        # revision only describes what a service runs: part of the identity, never sent
        fields=frozenset({"base_url", "options", "revision"}),
        needs_key=True,
        has_tools=True,
        has_schema=True,
        has_images=True,
        has_batch=True,
        roles=frozenset({"system", "user", "assistant", "tool"}),
        reserved=RESERVED,
        default_base_url=DEFAULT_BASE_URL,
        default_max_tokens=DEFAULT_MAX_TOKENS,
    )

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds a missing key, a wrong endpoint, and values that are not taken; batches need Anthropic's package."""
        super().check(spec)
        if spec.mode == "batch":
            check_packages(["anthropic"], "anthropic")

    @classmethod
    def key(cls, spec: ModelSpec) -> str:
        """Returns the API key."""
        return read_api_key(spec, KEY_ENV)

    def address(self, base_url: str | None) -> str:
        """Returns the endpoint, which the paths of the API begin with /v1 below."""
        return (base_url or DEFAULT_BASE_URL).strip().rstrip("/").removesuffix("/v1")

    def headers(self, key: str) -> dict[str, str]:
        """Returns the headers that carry the key and the version of the API."""
        return {"x-api-key": key, "anthropic-version": VERSION}

    def route(self, request: Request) -> str:
        """Returns the path of the API that answers a request."""
        return "/v1/messages"

    # Any: the JSON body.
    def body(self, request: Request) -> dict[str, Any]:
        """Returns the JSON object that is sent for a request."""
        return with_extra(messages_body(request, self.spec.model), self.spec.options, request.sampling.extra)

    # Any: the JSON reply.
    def read(
        self, reply: Mapping[str, Any], request: Request, *, seconds: float = 0.0, request_id: str | None = None
    ) -> Response:
        """Returns the reply that a JSON object says."""
        return read_message(reply, request, seconds=seconds, request_id=request_id)

    def batches(self) -> BatchService:
        """Returns the Message Batches API."""
        from dreamsmk.providers.batches.anthropic import AnthropicBatches

        return AnthropicBatches(self)

    async def read_facts(self) -> ModelFacts | None:
        """Asks `GET /v1/models/{id}`."""
        return read_facts(await self._get(f"/v1/models/{quote(self.spec.model, safe='')}"))
