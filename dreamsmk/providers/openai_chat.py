"""Requests and replies in the wire format of the chat completions API.

Contract: of a reply, only the message is required. Whatever else a server leaves out (usage, ids, a finish reason) is
absent or has its plain default.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dreamsmk.errors import RequestRejected, ServiceUnavailable
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.replies import sample_seed, utc_now
from dreamsmk.providers.schema_forms import is_strict
from dreamsmk.requests import Image, Message, Request, Response, Sampling, ToolCall, Usage

SAME_NAME = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
FINISH_REASONS = {"function_call": "tool_calls", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop"}
NO_USAGE = Usage()


# Any: the JSON body.
def chat_body(request: Request, model: str, *, limit_name: str) -> dict[str, Any]:
    """Returns the body of a chat completion.

    Args:
        request: What is asked for.
        model: The model's id at the server.
        limit_name: What the server calls the limit of new tokens.
    """
    body: dict[str, Any] = {"model": model, "messages": [chat_message(message) for message in request.messages]}
    sampling = request.sampling
    add_sampling(body, sampling, request.sample)
    if sampling.max_tokens is not None:
        body[limit_name] = sampling.max_tokens
    if sampling.logprobs is not None:
        body["logprobs"] = True
        if sampling.logprobs:
            body["top_logprobs"] = sampling.logprobs
    if request.schema is not None:
        form = {"name": "reply", "schema": dict(request.schema), "strict": is_strict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if request.tools:
        body["tools"] = [{"type": "function", "function": dict(tool)} for tool in request.tools]
        choice = request.tool_choice
        if choice is not None:
            is_word = choice in {"auto", "none", "required"}
            body["tool_choice"] = choice if is_word else {"type": "function", "function": {"name": choice}}
    return body


# Any: the JSON body.
def add_sampling(body: dict[str, Any], sampling: Sampling, sample: int) -> None:
    """Adds the sampling values that chat and text completions know by the same names."""
    for name in SAME_NAME:
        value = getattr(sampling, name)
        if value is not None:
            body[name] = value
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.seed is not None:
        body["seed"] = sample_seed(sampling.seed, sample)


# Any: the JSON body.
def chat_message(message: Message) -> dict[str, Any]:
    """Returns a message as the API takes it.

    Raises:
        RequestRejected: It shows images and is not the user's, or it answers no call of a tool.
    """
    if message.role == "tool":
        if message.tool_call_id is None:
            raise RequestRejected("a message of the role 'tool' does not say which call it answers")
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content}
    if message.images:
        check_image_role(message)
        images = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in message.images]
        texts = [{"type": "text", "text": message.content}] if message.content else []
        return {"role": message.role, "content": [*texts, *images]}
    if message.tool_calls:
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        return {"role": message.role, "content": message.content or None, "tool_calls": calls}
    return {"role": message.role, "content": message.content}


def check_image_role(message: Message) -> None:
    """Raises `RequestRejected` for a message that is not the user's."""
    if message.role != "user":
        raise RequestRejected(f"a message of the role {message.role!r} cannot show images")


def data_url(image: Image) -> str:
    """Returns an image as a URL that holds its bytes."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.read()).decode()}"


# Any: the JSON reply.
def read_chat(reply: Mapping[str, Any], request: Request, *, seconds: float, request_id: str | None) -> Response:
    """Returns the reply that a chat completion says.

    Raises:
        ServiceUnavailable: It holds no message.
    """
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        # Mistral's reasoning models answer in parts
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    if not isinstance(message, dict) or not isinstance(content, str | None):
        raise no_reply(reply, "chat completion")
    refusal = message.get("refusal") or None
    calls = tool_calls(message.get("tool_calls"))
    finish_reason = "refusal" if refusal else choice.get("finish_reason") or ("tool_calls" if calls else "stop")
    told = choice.get("logprobs")
    return Response(
        text=content or "",
        finish_reason=FINISH_REASONS.get(finish_reason, finish_reason),
        model=reply.get("model") or request.model.model,
        usage=chat_usage(reply.get("usage")),
        created_at=utc_now(),
        latency_seconds=seconds,
        request_id=request_id or reply.get("id") or None,
        system_fingerprint=reply.get("system_fingerprint"),
        tool_calls=calls,
        refusal=refusal,
        reasoning=message.get("reasoning_content") or _text(message.get("reasoning")),
        logprobs=token_logprobs(told.get("content")) if isinstance(told, dict) else None,
    )


# Any: the JSON reply.
def chat_usage(usage: Any) -> Usage:
    """Returns the tokens that a chat or text completion counts; zeros where it counts none."""
    if not isinstance(usage, dict):
        return NO_USAGE
    prompt, completion = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    # DeepSeek has the cached tokens in a place of its own
    cached = prompt.get("cached_tokens") if isinstance(prompt, dict) else usage.get("prompt_cache_hit_tokens")
    return Usage(
        input_tokens=usage.get("prompt_tokens") or 0,
        cached_input_tokens=cached or 0,
        output_tokens=usage.get("completion_tokens") or 0,
        reasoning_tokens=(completion.get("reasoning_tokens") if isinstance(completion, dict) else 0) or 0,
    )


# Any: the JSON reply.
def tool_calls(calls: Any) -> tuple[ToolCall, ...]:
    """Returns the calls of tools that a message holds."""
    if not calls:
        return ()
    found = []
    for number, call in enumerate(calls):
        function = call.get("function") or {}
        # a few servers give calls no id
        call_id = call.get("id") or f"call_{number}"
        found.append(ToolCall(call_id, function.get("name") or "", arguments_text(function.get("arguments"))))
    return tuple(found)


# Any: the JSON reply.
def arguments_text(arguments: Any) -> str:
    """Returns the arguments of a call as text: some servers hand the object itself on."""
    if isinstance(arguments, str):
        return arguments
    return orjson.dumps({} if arguments is None else arguments).decode()


# Any: the JSON reply.
def token_logprobs(tokens: Sequence[Mapping[str, Any]] | None) -> tuple[Mapping[str, Any], ...] | None:
    """Returns one object a token: `token`, `logprob` and `top`, the most likely ones."""
    if not tokens:
        return None
    return tuple(
        {
            "token": told["token"],
            "logprob": told["logprob"],
            "top": [{"token": t["token"], "logprob": t["logprob"]} for t in told.get("top_logprobs") or []],
        }
        for told in tokens
    )


# Any: the JSON reply.
def no_reply(reply: Mapping[str, Any], kind: str) -> ServiceUnavailable:
    """Returns the error for a JSON object that is no reply, with the words of the error that it may hold."""
    error = reply.get("error")
    words = error.get("message") if isinstance(error, dict) else error
    return ServiceUnavailable(f"the service sent no {kind}" + (f": {one_line(str(words))}" if words else ""))


# Any: the JSON reply.
def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
