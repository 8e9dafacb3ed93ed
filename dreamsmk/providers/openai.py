"""The provider `openai`: OpenAI's APIs, at OpenAI or at any server that speaks them (`base_url`).

Contract: what is sent is what the request says and nothing else. Values that OpenAI does not know but a server does
(`top_k`, `min_p`, `repetition_penalty`, `chat_template_kwargs` of vLLM, …) go through `extra` of the sampling values or
`options` of the model spec, and are sent as they are. The environment's `OPENAI_BASE_URL` is not obeyed: the endpoint
is part of the model's identity, so it stands in the config. A model may be named by the file that says the name of a
fine-tuned one (`tuned`).

The limit of new tokens is sent as `max_completion_tokens` to OpenAI, whose reasoning models refuse `max_tokens`, and as
`max_tokens` to a `base_url`, because many servers know only that name and ignore the other in silence.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.base import Capabilities, check_packages
from dreamsmk.providers.credentials import read_api_key
from dreamsmk.providers.http_provider import HttpProvider, with_extra
from dreamsmk.providers.identity import normal_base_url
from dreamsmk.providers.model_facts import ModelFacts, entry_of, read_facts
from dreamsmk.providers.openai_chat import SAME_NAME, chat_body, read_chat
from dreamsmk.providers.openai_completions import completions_body, read_completions
from dreamsmk.providers.openai_embeddings import ROWS_AT_ONCE, embeddings_body, read_embeddings
from dreamsmk.providers.openai_responses import DEFAULTS, SAMPLING, read_responses, responses_body
from dreamsmk.providers.tuned import with_tuned_name
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    from dreamsmk.providers.batches import BatchService

KEY_ENV = "OPENAI_API_KEY"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
ROUTES = {"chat": "/chat/completions", "responses": "/responses", "completions": "/completions"}
# They would change what a call is: another model, several replies, a stream.
RESERVED = frozenset({"model", "messages", "input", "prompt", "n", "stream", "seed", "stop", "max_tokens", *SAME_NAME})
READERS = {"chat": read_chat, "responses": read_responses, "completions": read_completions}


class OpenAIProvider(HttpProvider):
    """A model behind one of OpenAI's APIs: chat completions, responses, text completions, embeddings."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset({*SAME_NAME, "max_tokens", "stop", "seed", "logprobs", "extra"}),
        # revision, quantization and dtype only describe what a server runs: part of the identity, never sent.
        fields=frozenset({"base_url", "options", "revision", "quantization", "dtype"}),
        needs_key=True,
        apis=("chat", "responses", "completions"),
        wanted=frozenset({"text", "embedding"}),
        has_tools=True,
        has_schema=True,
        has_images=True,
        has_batch=True,
        roles=frozenset({"system", "user", "assistant", "tool"}),
        reserved=RESERVED | {"logprobs", "top_logprobs"},
        default_base_url=DEFAULT_BASE_URL,
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(with_tuned_name(spec))
        self._api = spec.api or "chat"
        self._options = spec.options
        self._limit_name = "max_tokens" if _is_other_server(spec) else "max_completion_tokens"

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds a missing key, a wrong endpoint, and values that are not taken; batches need OpenAI's own package."""
        super().check(spec)
        if spec.mode == "batch":
            check_packages(["openai"], "openai")

    @classmethod
    def capabilities_of(cls, spec: ModelSpec) -> Capabilities:
        """Returns what one of the APIs takes: responses know fewer sampling values, completions only texts."""
        whole = cls.capabilities
        if spec.api == "responses":
            return dataclasses.replace(whole, sampling=SAMPLING)
        if spec.api == "completions":
            return dataclasses.replace(
                whole, has_tools=False, has_schema=False, has_images=False, roles=whole.roles - {"tool"}
            )
        return whole

    @classmethod
    def key(cls, spec: ModelSpec) -> str:
        """Returns the API key; a server of one's own may need none."""
        return read_api_key(spec, KEY_ENV, is_optional=_is_other_server(spec))

    @property
    def rows_at_once(self) -> int:
        """How many texts are embedded by one request."""
        return ROWS_AT_ONCE

    def address(self, base_url: str | None) -> str:
        """Returns the endpoint."""
        return (base_url or DEFAULT_BASE_URL).strip().rstrip("/")

    def headers(self, key: str) -> dict[str, str]:
        """Returns the header that carries the key."""
        return {"authorization": f"Bearer {key}"}

    def route(self, request: Request) -> str:
        """Returns the path of the API that answers a request."""
        return "/embeddings" if request.wanted == "embedding" else ROUTES[self._api]

    # Any: the JSON body.
    def body(self, request: Request) -> dict[str, Any]:
        """Returns the JSON object that is sent for a request."""
        extras: list[Mapping[str, Any]] = [self._options, request.sampling.extra]
        if request.wanted == "embedding":
            return with_extra(embeddings_body([request], self.spec.model), *extras)
        if self._api == "chat":
            return with_extra(chat_body(request, self.spec.model, limit_name=self._limit_name), *extras)
        if self._api == "responses":
            return with_extra(responses_body(request, self.spec.model), DEFAULTS, *extras)
        return with_extra(completions_body(request, self.spec.model), *extras)

    # Any: the JSON reply.
    def read(
        self, reply: Mapping[str, Any], request: Request, *, seconds: float = 0.0, request_id: str | None = None
    ) -> Response:
        """Returns the reply that a JSON object says."""
        if request.wanted == "embedding":
            return read_embeddings(reply, [request], seconds=seconds, request_id=request_id)[0]
        return READERS[self._api](reply, request, seconds=seconds, request_id=request_id)

    def verify(self, request: Request) -> None:
        """Raises `RequestRejected` for a request that cannot be honoured as a whole."""
        super().verify(request)
        if request.wanted == "embedding":
            unknown = [name for name in request.sampling.given() if name != "extra"]
            if unknown:
                raise RequestRejected(f"an embedding takes no {unknown[0]!r}", hint="leave sampling values out")

    async def complete_many(self, requests: Sequence[Request]) -> list[Response]:
        """Asks for the vectors of several texts at once; texts are asked for one by one."""
        first = requests[0]
        alike = all(r.wanted == "embedding" and r.sampling == first.sampling for r in requests)
        if not alike or len(requests) == 1:
            return [await self.complete(request) for request in requests]
        for request in requests:
            self.verify(request)
        body = with_extra(embeddings_body(requests, self.spec.model), self._options, first.sampling.extra)
        started = time.monotonic()
        reply, headers = await self._send(self.route(first), body)
        request_id = headers.get("x-request-id")
        return read_embeddings(reply, requests, seconds=time.monotonic() - started, request_id=request_id)

    def batches(self) -> BatchService:
        """Returns OpenAI's batch API."""
        if not self.capabilities.has_batch:
            return super().batches()
        from dreamsmk.providers.batches.openai import OpenAIBatches

        return OpenAIBatches(self)

    async def read_facts(self) -> ModelFacts | None:
        """Asks `GET /models`, which vLLM, llama.cpp and many others tell the context in, and OpenAI does not."""
        if not _is_other_server(self.spec):
            return None
        entry = entry_of(await self._get("/models"), self.spec.model)
        return None if entry is None else read_facts(entry)


def _is_other_server(spec: ModelSpec) -> bool:
    return normal_base_url(spec.base_url, DEFAULT_BASE_URL) is not None
