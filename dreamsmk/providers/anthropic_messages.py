"""Requests and replies in the wire format of Anthropic's Messages API."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.openai_chat import check_image_role, no_reply
from dreamsmk.providers.replies import utc_now
from dreamsmk.providers.schema_forms import anthropic_schema
from dreamsmk.requests import Message, Request, Response, ToolCall, Usage

DEFAULT_MAX_TOKENS = 1024
SAME_NAME = ("temperature", "top_p", "top_k")
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}
TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


# Any: the JSON body.
def messages_body(request: Request, model: str) -> dict[str, Any]:
    """Returns the body of a message."""
    sampling = request.sampling
    leading = 0
    while leading < len(request.messages) and request.messages[leading].role == "system":
        leading += 1
    body: dict[str, Any] = {
        "model": model,
        "messages": _turns(request.messages[leading:]),
        "max_tokens": DEFAULT_MAX_TOKENS if sampling.max_tokens is None else sampling.max_tokens,
    }
    if leading:
        body["system"] = "\n\n".join(message.content for message in request.messages[:leading])
    for name in SAME_NAME:
        value = getattr(sampling, name)
        if value is not None:
            body[name] = value
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)
    if request.schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": anthropic_schema(request.schema)}}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        choice = request.tool_choice
        if choice is not None:
            word = TOOL_CHOICES.get(choice)
            body["tool_choice"] = {"type": word} if word else {"type": "tool", "name": choice}
    return body


# Any: the JSON body.
def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    others = {name: value for name, value in tool.items() if name != "parameters"}
    return {**others, "input_schema": tool.get("parameters") or {"type": "object"}}


# Any: the JSON body.
def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    if not messages or any(message.role == "system" for message in messages):
        raise RequestRejected("anthropic takes system messages only before a first user message")
    turns: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        if message.role != "tool":
            turns.append({"role": message.role, "content": _content(message)})
            continue
        result = _tool_result(message)
        # the results of calls that were made together must stand in one turn
        if number and messages[number - 1].role == "tool":
            turns[-1]["content"].append(result)
        else:
            turns.append({"role": "user", "content": [result]})
    return turns


# Any: the JSON body.
def _content(message: Message) -> Any:
    if not message.images and not message.tool_calls:
        return message.content
    blocks: list[dict[str, Any]] = []
    if message.images:
        check_image_role(message)
    for image in message.images:
        encoded = base64.b64encode(image.read()).decode()
        blocks.append({"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": encoded}})
    if message.content:
        blocks.append({"type": "text", "text": message.content})
    blocks.extend(
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _arguments(call)} for call in message.tool_calls
    )
    return blocks


# Any: the JSON body.
def _tool_result(message: Message) -> dict[str, Any]:
    if message.tool_call_id is None:
        raise RequestRejected("a message of the role 'tool' does not say which call it answers")
    return {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}


# Any: the JSON body.
def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        raise RequestRejected(f"the arguments of a call of the tool {call.name!r} are no JSON object")
    return arguments


# Any: the JSON reply.
def read_message(reply: Mapping[str, Any], request: Request, *, seconds: float, request_id: str | None) -> Response:
    """Returns the reply that a message says.

    Raises:
        ServiceUnavailable: It is no message.
    """
    content = reply.get("content")
    if reply.get("type") != "message" or not isinstance(content, list | None):
        raise no_reply(reply, "message")
    blocks = [block for block in content or [] if isinstance(block, dict)]
    reason = reply.get("stop_reason") or "end_turn"
    details = reply.get("stop_details")
    return Response(
        text="".join(block.get("text") or "" for block in blocks if block.get("type") == "text"),
        finish_reason=FINISH_REASONS.get(reason, reason),
        model=reply.get("model") or request.model.model,
        usage=_usage(reply.get("usage")),
        created_at=utc_now(),
        latency_seconds=seconds,
        request_id=request_id or reply.get("id") or None,
        tool_calls=tuple(
            ToolCall(block.get("id") or "", block.get("name") or "", orjson.dumps(block.get("input") or {}).decode())
            for block in blocks
            if block.get("type") == "tool_use"
        ),
        refusal=(details.get("explanation") if isinstance(details, dict) else None) or None,
        reasoning="\n\n".join(
            block["thinking"] for block in blocks if block.get("type") == "thinking" and block.get("thinking")
        )
        or None,
    )


# Any: the JSON reply.
def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    cached = usage.get("cache_read_input_tokens") or 0
    return Usage(
        input_tokens=(usage.get("input_tokens") or 0) + cached + (usage.get("cache_creation_input_tokens") or 0),
        cached_input_tokens=cached,
        output_tokens=usage.get("output_tokens") or 0,
        reasoning_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
    )
