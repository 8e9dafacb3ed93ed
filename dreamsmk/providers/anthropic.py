"""The provider `anthropic`: the Messages API.

Contract: what is sent is what the request says and nothing else, but for one value: the API requires `max_tokens`, so
that `DEFAULT_MAX_TOKENS` is sent where the request has none. Values without a place of their own (`thinking`,
`service_tier`, …) go through `extra` of the sampling values or `options` of the model spec. The environment's
`ANTHROPIC_BASE_URL` is not obeyed: the endpoint is part of the model's identity, so it stands in the config.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.providers.base import Capabilities, ServiceProvider, check_packages, check_request
from dreamsmk.providers.credentials import check_base_url, read_api_key, without_key
from dreamsmk.providers.http_status import one_line, status_error
from dreamsmk.providers.replies import utc_now
from dreamsmk.requests import Message, Request, Response, Usage
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import Message as Reply

KEY_ENV = "ANTHROPIC_API_KEY"
DEFAULT_BASE_URL = "https://api.anthropic.com"
DEFAULT_MAX_TOKENS = 1024
CONNECT_SECONDS = 15.0
SAME_NAME = ("temperature", "top_p", "top_k")
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
RESERVED = frozenset({"model", "messages", "system", "stream", "stop_sequences", "max_tokens", *SAME_NAME})


class AnthropicProvider(ServiceProvider):
    """A model behind the Messages API."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset({*SAME_NAME, "max_tokens", "stop", "extra"}),
        # revision only describes what a service runs: part of the identity, never sent
        fields=frozenset({"base_url", "options", "revision"}),
        needs_key=True,
        has_schema=True,
        reserved=RESERVED,
        default_base_url=DEFAULT_BASE_URL,
        default_max_tokens=DEFAULT_MAX_TOKENS,
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._client: anthropic.AsyncAnthropic | None = None

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds a missing key or package, a wrong endpoint, and values that are not taken."""
        super().check(spec)
        check_base_url(spec)
        check_packages(["anthropic"], "anthropic")
        read_api_key(spec, KEY_ENV)

    async def complete(self, request: Request) -> Response:
        """Sends one request and returns its reply."""
        check_request(request, self.capabilities)
        body = self._body(request)
        client = self._open()
        started = time.monotonic()
        reply = await _send(client, body)
        return _response(reply, request, time.monotonic() - started)

    async def close(self) -> None:
        """Closes the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open(self) -> anthropic.AsyncAnthropic:
        if self._client is None:
            import anthropic

            seconds = self.spec.timeout_seconds
            self._client = anthropic.AsyncAnthropic(
                api_key=read_api_key(self.spec, KEY_ENV),
                base_url=self.spec.base_url or DEFAULT_BASE_URL,
                timeout=anthropic.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
                max_retries=0,
            )
        return self._client

    # Any: the JSON body.
    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        given = sampling.given()
        system, messages = _split_system(request.messages)
        body: dict[str, Any] = {
            "model": self.spec.model,
            "messages": messages,
            "max_tokens": DEFAULT_MAX_TOKENS if sampling.max_tokens is None else sampling.max_tokens,
        }
        if system:
            body["system"] = system
        if sampling.stop:
            body["stop_sequences"] = list(sampling.stop)
        # the client has no arguments of these names any more, though the API still takes them for most models
        extra = {name: given[name] for name in SAME_NAME if name in given}
        extra.update({**self.spec.options, **sampling.extra})
        if request.schema is not None:
            output = extra.pop("output_config", {})
            extra["output_config"] = {**output, "format": {"type": "json_schema", "schema": dict(request.schema)}}
        return {**body, "extra_body": extra}


def _split_system(messages: tuple[Message, ...]) -> tuple[str, list[dict[str, str]]]:
    """Returns the leading system messages as one text, and the others."""
    leading = 0
    while leading < len(messages) and messages[leading].role == "system":
        leading += 1
    system, others = messages[:leading], messages[leading:]
    if not others or any(message.role == "system" for message in others):
        raise RequestRejected("anthropic takes system messages only before a first user message")
    return "\n\n".join(m.content for m in system), [{"role": m.role, "content": m.content} for m in others]


# Any: the JSON body.
async def _send(client: anthropic.AsyncAnthropic, body: dict[str, Any]) -> Reply:
    import anthropic

    key = client.api_key or ""
    try:
        reply: Reply = await client.messages.create(**body)
        return reply
    except anthropic.APIStatusError as error:
        words = without_key(str(error.api_message or error.response.text or error.message), key)
        refusal = status_error(error.status_code, words, error.response.headers, service="anthropic", code=error.type)
        # a service that repeats the key in its words would have it shown by the chained exception
        raise refusal from (None if key and key in str(error) else error)
    except anthropic.APITimeoutError as error:
        raise ServiceUnavailable("anthropic did not answer in time", where=str(client.base_url)) from error
    except anthropic.APIConnectionError as error:
        raise ServiceUnavailable(
            f"anthropic cannot be reached: {one_line(str(error.__cause__ or error))}", where=str(client.base_url)
        ) from error
    except (anthropic.APIResponseValidationError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _no_message() from error


def _no_message(words: str = "") -> ProviderError:
    return ServiceUnavailable("anthropic sent no message" + (f": {one_line(words)}" if words else ""))


def _response(reply: Reply, request: Request, seconds: float) -> Response:
    # the client builds its types without checking them, and hands on as it is what is no JSON
    content = getattr(reply, "content", None)
    if getattr(reply, "type", None) != "message" or not isinstance(content, list | None):
        raise _no_message(str(getattr(reply, "error", None) or ""))
    texts = [getattr(block, "text", None) for block in content or [] if getattr(block, "type", None) == "text"]
    reason = reply.stop_reason or "end_turn"
    return Response(
        text="".join(text for text in texts if text),
        finish_reason=FINISH_REASONS.get(reason, reason),
        model=reply.model or request.model.model,
        usage=_usage(reply),
        created_at=utc_now(),
        latency_seconds=seconds,
        request_id=reply._request_id or reply.id or None,
    )


def _usage(reply: Reply) -> Usage:
    usage = getattr(reply, "usage", None)
    if usage is None:
        return Usage()
    cached = usage.cache_read_input_tokens or 0
    details = usage.output_tokens_details
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + (usage.cache_creation_input_tokens or 0),
        cached_input_tokens=cached,
        output_tokens=usage.output_tokens or 0,
        reasoning_tokens=(details.thinking_tokens if details else 0) or 0,
    )
