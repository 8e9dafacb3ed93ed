"""The provider `litellm`: whatever the package LiteLLM can ask (Cohere, AI21, Bedrock, Vertex, and a hundred others).

Contract: the model is LiteLLM's name of it (`cohere/command-r`), and `options` are further arguments of
`litellm.acompletion` (`aws_region_name`, …). A value that the service behind does not take is an error, never dropped.
Keys are read by LiteLLM from the variables that it names itself, unless `api_key_env` names one. A request costs some
milliseconds of CPU: where `openai` or `anthropic` can ask a service, they are ten times faster.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.base import Capabilities, ServiceProvider, check_packages, check_request
from dreamsmk.providers.credentials import check_base_url, read_api_key
from dreamsmk.providers.http_provider import check_tools, with_extra
from dreamsmk.providers.litellm_library import close_clients, library_error, load_litellm, translated
from dreamsmk.providers.openai_chat import SAME_NAME, chat_body, read_chat
from dreamsmk.providers.openai_embeddings import ROWS_AT_ONCE, embeddings_body, read_embeddings
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec

# They would change what a call is, or what the engine and the cache are there for.
RESERVED = frozenset(
    {"model", "messages", "input", "n", "stream", "seed", "stop", "max_tokens", "logprobs", "top_logprobs", *SAME_NAME}
    | {"api_key", "api_base", "base_url", "num_retries", "max_retries", "timeout", "caching", "cache", "drop_params"}
    | {"mock_response", "fallbacks"}
    # LiteLLM leaves these out in silence where a service does not take them
    | {"user", "stream_options"}
)


class LiteLLMProvider(ServiceProvider):
    """A model behind LiteLLM."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset({*SAME_NAME, "max_tokens", "stop", "seed", "logprobs", "extra"}),
        fields=frozenset({"base_url", "options", "revision"}),
        wanted=frozenset({"text", "embedding"}),
        has_tools=True,
        has_schema=True,
        has_images=True,
        roles=frozenset({"system", "user", "assistant", "tool"}),
        reserved=RESERVED,
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._has_asked = False

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds a missing package, a wrong endpoint, and values that are not taken."""
        super().check(spec)
        check_base_url(spec)
        if spec.replicas:
            raise SettingsError("the provider 'litellm' takes no replicas", hint="ask the endpoints with `openai`")
        check_packages(["litellm"], "litellm")
        if spec.api_key_env is not None:
            read_api_key(spec, spec.api_key_env)

    @property
    def rows_at_once(self) -> int:
        """How many texts are embedded by one request."""
        return ROWS_AT_ONCE

    async def complete(self, request: Request) -> Response:
        """Sends one request and returns its reply."""
        if request.wanted == "embedding":
            return (await self.complete_many([request]))[0]
        check_request(request, self.capabilities)
        check_tools(request)
        body = chat_body(request, self.spec.model, limit_name="max_tokens")
        body = with_extra(body, self.spec.options, request.sampling.extra)
        started = time.monotonic()
        reply = await self._ask("acompletion", body)
        return read_chat(reply, request, seconds=time.monotonic() - started, request_id=None)

    async def complete_many(self, requests: Sequence[Request]) -> list[Response]:
        """Asks for the vectors of several texts at once; texts are asked for one by one."""
        if any(request.wanted != "embedding" for request in requests):
            return [await self.complete(request) for request in requests]
        for request in requests:
            check_request(request, self.capabilities)
            if set(request.sampling.given()) - {"extra"} or request.sampling != requests[0].sampling:
                raise RequestRejected("an embedding takes no sampling values", hint="leave them out")
        body = embeddings_body(requests, self.spec.model) | {"encoding_format": None}
        body = with_extra(body, self.spec.options, requests[0].sampling.extra)
        started = time.monotonic()
        reply = await self._ask("aembedding", body)
        return read_embeddings(reply, requests, seconds=time.monotonic() - started, request_id=None)

    async def close(self) -> None:
        """Closes the connections."""
        if self._has_asked:
            self._has_asked = False
            await close_clients()

    # Any: the JSON body and reply.
    async def _ask(self, function: str, body: Mapping[str, Any]) -> dict[str, Any]:
        litellm = load_litellm()
        self._has_asked = True
        arguments = {name: value for name, value in body.items() if value is not None}
        if self.spec.base_url is not None:
            arguments["api_base"] = self.spec.base_url
        if self.spec.api_key_env is not None:
            arguments["api_key"] = read_api_key(self.spec, self.spec.api_key_env)
        try:
            reply = await getattr(litellm, function)(
                **arguments, timeout=self.spec.timeout_seconds, num_retries=0, max_retries=0, drop_params=False
            )
        except library_error() as error:
            failed = translated(error)
        else:
            found: dict[str, Any] = reply.model_dump()
            return found
        # without the cause: the requests that LiteLLM's exceptions carry hold the key
        raise failed
