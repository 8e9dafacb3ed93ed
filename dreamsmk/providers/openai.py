"""The provider `openai`: the chat completions API, at OpenAI or at any server that speaks it (`base_url`).

Contract: what is sent is what the request says and nothing else. Values that OpenAI does not know but a server does
(`top_k`, `min_p`, `repetition_penalty`, `chat_template_kwargs` of vLLM, …) go through `extra` of the sampling values or
`options` of the model spec, and are sent as they are. The environment's `OPENAI_BASE_URL` is not obeyed: the endpoint
is part of the model's identity, so it stands in the config.

The limit of new tokens is sent as `max_completion_tokens` to OpenAI, whose reasoning models refuse `max_tokens`, and as
`max_tokens` to a `base_url`, because many servers know only that name and ignore the other in silence.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import ProviderError, ServiceUnavailable
from dreamsmk.providers.base import Capabilities, ServiceProvider, check_packages, check_request
from dreamsmk.providers.credentials import check_base_url, read_api_key, without_key
from dreamsmk.providers.http_status import one_line, status_error
from dreamsmk.providers.identity import normal_base_url
from dreamsmk.providers.replies import sample_seed, utc_now
from dreamsmk.requests import Request, Response, Usage
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    import openai
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletion

KEY_ENV = "OPENAI_API_KEY"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 15.0
SAME_NAME = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
# They would change what a call is: another model, several replies, a stream.
RESERVED = frozenset({"model", "messages", "n", "stream", "seed", "stop", "max_tokens", *SAME_NAME})


class OpenAIProvider(ServiceProvider):
    """A model behind the chat completions API."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset({*SAME_NAME, "max_tokens", "stop", "seed", "extra"}),
        # revision, quantization and dtype only describe what a server runs: part of the identity, never sent.
        fields=frozenset({"base_url", "options", "revision", "quantization", "dtype"}),
        needs_key=True,
        has_schema=True,
        reserved=RESERVED,
        default_base_url=DEFAULT_BASE_URL,
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._client: openai.AsyncOpenAI | None = None
        self._is_other_server = _is_other_server(spec)

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds a missing key or package, a wrong endpoint, and values that are not taken."""
        super().check(spec)
        check_base_url(spec)
        check_packages(["openai"], "openai")
        read_api_key(spec, KEY_ENV, is_optional=_is_other_server(spec))

    async def complete(self, request: Request) -> Response:
        """Sends one request and returns its reply."""
        check_request(request, self.capabilities)
        client = self._open()
        started = time.monotonic()
        reply = await _send(client, self._body(request))
        return _response(reply, request, time.monotonic() - started)

    async def close(self) -> None:
        """Closes the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open(self) -> openai.AsyncOpenAI:
        if self._client is None:
            import openai

            seconds = self.spec.timeout_seconds
            self._client = openai.AsyncOpenAI(
                api_key=read_api_key(self.spec, KEY_ENV, is_optional=self._is_other_server),
                base_url=self.spec.base_url or DEFAULT_BASE_URL,
                timeout=openai.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
                max_retries=0,
            )
        return self._client

    # Any: the JSON body.
    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        given = sampling.given()
        body: dict[str, Any] = {name: given[name] for name in SAME_NAME if name in given}
        body["model"] = self.spec.model
        body["messages"] = [{"role": message.role, "content": message.content} for message in request.messages]
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.seed is not None:
            body["seed"] = sample_seed(sampling.seed, request.sample)
        if sampling.max_tokens is not None:
            body["max_tokens" if self._is_other_server else "max_completion_tokens"] = sampling.max_tokens
        if request.schema is not None:
            schema = {"name": "reply", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return {**body, "extra_body": {**self.spec.options, **sampling.extra}}


def _is_other_server(spec: ModelSpec) -> bool:
    return normal_base_url(spec.base_url, DEFAULT_BASE_URL) is not None


# Any: the JSON body.
async def _send(client: openai.AsyncOpenAI, body: dict[str, Any]) -> ChatCompletion:
    import openai

    try:
        reply: ChatCompletion = await client.chat.completions.create(**body)
        return reply
    except openai.APIStatusError as error:
        refusal = status_error(
            error.status_code, _words(error, client.api_key), error.response.headers, service="openai", code=error.code
        )
        # a service that repeats the key in its words would have it shown by the chained exception
        raise refusal from (None if client.api_key in str(error) else error)
    except openai.APITimeoutError as error:
        raise ServiceUnavailable("openai did not answer in time", where=str(client.base_url)) from error
    except openai.APIConnectionError as error:
        raise ServiceUnavailable(
            f"openai cannot be reached: {one_line(str(error.__cause__ or error))}", where=str(client.base_url)
        ) from error
    except (openai.APIResponseValidationError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _no_completion() from error


def _words(error: openai.APIStatusError, key: str) -> str:
    message = error.body.get("message") if isinstance(error.body, dict) else None
    return without_key(str(message or error.response.text or error.message), key)


def _no_completion(words: str = "") -> ProviderError:
    return ServiceUnavailable("openai sent no chat completion" + (f": {one_line(words)}" if words else ""))


def _response(reply: ChatCompletion, request: Request, seconds: float) -> Response:
    # the client builds its types without checking them, and hands on as it is what is no JSON
    choices = getattr(reply, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    if message is None or not isinstance(message.content, str | None):
        raise _no_completion(str(getattr(reply, "error", None) or ""))
    finish_reason = getattr(choice, "finish_reason", None) or "stop"
    if getattr(message, "refusal", None):
        finish_reason = "content_filter"
    return Response(
        text=message.content or "",
        finish_reason={"function_call": "tool_calls"}.get(finish_reason, finish_reason),
        model=reply.model or request.model.model,
        usage=_usage(reply.usage),
        created_at=utc_now(),
        latency_seconds=seconds,
        request_id=reply._request_id or reply.id or None,
        system_fingerprint=getattr(reply, "system_fingerprint", None),
    )


def _usage(usage: CompletionUsage | None) -> Usage:
    if usage is None:
        return Usage()
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        cached_input_tokens=(prompt.cached_tokens if prompt else 0) or 0,
        output_tokens=usage.completion_tokens or 0,
        reasoning_tokens=(completion.reasoning_tokens if completion else 0) or 0,
    )
