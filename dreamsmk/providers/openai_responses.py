"""Requests and replies in the wire format of OpenAI's responses API (`api: responses`).

Contract: each request stands for itself, and no earlier response is gone on with. Unlike chat completions the service
keeps responses for a month where it is not told otherwise, so that `store: false` is sent unless `options` say more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.openai_chat import check_image_role, data_url, no_reply, token_logprobs
from dreamsmk.providers.replies import utc_now
from dreamsmk.providers.schema_forms import is_strict
from dreamsmk.requests import Message, Request, Response, ToolCall, Usage

SAMPLING = frozenset({"temperature", "top_p", "max_tokens", "logprobs", "extra"})
INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}
LOGPROBS = "message.output_text.logprobs"
DEFAULTS = {"store": False}


# Any: the JSON body.
def responses_body(request: Request, model: str) -> dict[str, Any]:
    """Returns the body of a response."""
    sampling = request.sampling
    body: dict[str, Any] = {"model": model, "input": [item for m in request.messages for item in _items(m)]}
    if sampling.temperature is not None:
        body["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.max_tokens is not None:
        body["max_output_tokens"] = sampling.max_tokens
    if sampling.logprobs is not None:
        body["include"] = [LOGPROBS]
        if sampling.logprobs:
            body["top_logprobs"] = sampling.logprobs
    if request.schema is not None:
        form = {"name": "reply", "schema": dict(request.schema), "strict": is_strict(request.schema)}
        body["text"] = {"format": {"type": "json_schema", **form}}
    if request.tools:
        # here the default is strict, which most schemas of tools are not made for
        body["tools"] = [{"type": "function", "strict": False, **tool} for tool in request.tools]
        choice = request.tool_choice
        if choice is not None:
            is_word = choice in {"auto", "none", "required"}
            body["tool_choice"] = choice if is_word else {"type": "function", "name": choice}
    return body


# Any: the JSON body.
def _items(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        if message.tool_call_id is None:
            raise RequestRejected("a message of the role 'tool' does not say which call it answers")
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}
        return
    if message.images:
        check_image_role(message)
        texts = [{"type": "input_text", "text": message.content}] if message.content else []
        images = [{"type": "input_image", "detail": "auto", "image_url": data_url(image)} for image in message.images]
        yield {"role": message.role, "content": [*texts, *images]}
        return
    if message.content or not message.tool_calls:
        yield {"role": message.role, "content": message.content}
    for call in message.tool_calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}


# Any: the JSON reply.
def read_responses(reply: Mapping[str, Any], request: Request, *, seconds: float, request_id: str | None) -> Response:
    """Returns the reply that a response says.

    Raises:
        ServiceUnavailable: It failed, or is no response.
    """
    output = reply.get("output")
    if not isinstance(output, list) or reply.get("status") in {"failed", "cancelled"}:
        raise no_reply(reply, "response")
    items = [item for item in output if isinstance(item, dict)]
    parts = [part for item in items if item.get("type") == "message" for part in item.get("content") or []]
    texts = [part for part in parts if part.get("type") == "output_text"]
    refusal = "".join(part.get("refusal") or "" for part in parts if part.get("type") == "refusal") or None
    calls = tuple(
        ToolCall(item.get("call_id") or item.get("id") or "", item.get("name") or "", item.get("arguments") or "{}")
        for item in items
        if item.get("type") == "function_call"
    )
    return Response(
        text="".join(part.get("text") or "" for part in texts),
        finish_reason="refusal" if refusal else _finish_reason(reply, has_calls=bool(calls)),
        model=reply.get("model") or request.model.model,
        usage=_usage(reply.get("usage")),
        created_at=utc_now(),
        latency_seconds=seconds,
        request_id=request_id or reply.get("id") or None,
        tool_calls=calls,
        refusal=refusal,
        reasoning=_reasoning(items),
        logprobs=token_logprobs([told for part in texts for told in part.get("logprobs") or []]),
    )


# Any: the JSON reply.
def _finish_reason(reply: Mapping[str, Any], *, has_calls: bool) -> str:
    if reply.get("status") == "incomplete":
        reason = (reply.get("incomplete_details") or {}).get("reason") or "incomplete"
        return INCOMPLETE.get(reason, reason)
    return "tool_calls" if has_calls else "stop"


# Any: the JSON reply.
def _reasoning(items: list[dict[str, Any]]) -> str | None:
    parts = [
        part.get("text") or ""
        for item in items
        if item.get("type") == "reasoning"
        # the whole text where the service shows it, else its summary
        for part in item.get("content") or item.get("summary") or []
    ]
    return "\n\n".join(part for part in parts if part) or None


# Any: the JSON reply.
def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    return Usage(
        input_tokens=usage.get("input_tokens") or 0,
        cached_input_tokens=(usage.get("input_tokens_details") or {}).get("cached_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0,
    )
