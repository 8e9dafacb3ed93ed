"""What a body asks for, in whichever wire format it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """What a body asks for.

    Attributes:
        prompt: The text of the last user message, or of the prompt.
        images: The images of all messages, as their data.
        is_answered: Whether the last message is the answer of a tool.
        limit: The most words to write.
        schema: What the reply must follow.
        tools: The tools by name, each with the JSON Schema of its arguments.
        choice: `auto`, `none`, `required` or the name of a tool.
        logprobs: How many of the most likely tokens to tell; None for none, not even the token itself.
    """

    prompt: str
    images: tuple[str, ...] = ()
    is_answered: bool = False
    limit: int | None = None
    schema: Mapping[str, Any] | None = None
    tools: Mapping[str, Any] | None = None
    choice: str = "auto"
    logprobs: int | None = None


def last_user_message(body: dict[str, Any]) -> str:
    """Returns the text of the last user message of a request's body; for other prompts, their text."""
    for message in reversed(messages_of(body)):
        if message.get("role") == "user":
            return "".join(_texts(message.get("content")))
    prompt = body.get("prompt", body.get("input", ""))
    return prompt if isinstance(prompt, str) else json.dumps(prompt)


def messages_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the messages of a body, or the items of a response's input."""
    messages = body.get("messages") or body.get("input")
    if isinstance(messages, list) and all(isinstance(message, dict) for message in messages):
        return messages
    return []


def word_count(body: dict[str, Any]) -> int:
    """Returns how many words a body's prompt has, the system prompt included."""
    texts = [text for message in messages_of(body) for text in _texts(message.get("content"))]
    whole = [*texts, str(body.get("system") or ""), str(body.get("prompt") or "")]
    return sum(len(text.split()) for text in whole)


def asked(body: dict[str, Any]) -> Asked:
    """Returns what a body asks for."""
    messages = messages_of(body)
    limits = (body.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"))
    return Asked(
        prompt=last_user_message(body),
        images=tuple(image for message in messages for image in _images(message.get("content"))),
        is_answered=bool(messages) and _is_answer(messages[-1]),
        limit=next((limit for limit in limits if limit is not None), None),
        schema=_schema(body),
        tools={name: parameters for tool in body.get("tools") or [] for name, parameters in [_tool(tool)]},
        choice=_choice(body.get("tool_choice", "auto")),
        logprobs=_logprobs(body),
    )


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else []:
        if "text" in part:
            yield part["text"]


def _images(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else []:
        if part.get("type") == "image_url":
            yield part["image_url"]["url"]
        elif part.get("type") == "input_image":
            yield part["image_url"]
        elif part.get("type") == "image":
            yield part["source"]["data"]


def _is_answer(message: dict[str, Any]) -> bool:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return (
        message.get("role") == "tool"
        or message.get("type") == "function_call_output"
        or any(block.get("type") == "tool_result" for block in blocks)
    )


def _schema(body: dict[str, Any]) -> Mapping[str, Any] | None:
    chat = (body.get("response_format") or {}).get("json_schema") or {}
    responses = (body.get("text") or {}).get("format") or {}
    anthropic = (body.get("output_config") or {}).get("format") or {}
    return next((form["schema"] for form in (chat, responses, anthropic) if "schema" in form), None)


def _tool(tool: dict[str, Any]) -> tuple[str, Any]:
    function = tool.get("function", tool)
    return function["name"], function.get("parameters", function.get("input_schema", {}))


def _choice(choice: Any) -> str:
    if isinstance(choice, str):
        return choice
    if choice.get("type") in {"auto", "none"}:
        return choice["type"]
    return choice.get("name") or (choice.get("function") or {}).get("name") or "required"


def _logprobs(body: dict[str, Any]) -> int | None:
    told = body.get("logprobs")
    if told is None and "message.output_text.logprobs" in body.get("include", ()):
        told = True
    if told is True:
        return body.get("top_logprobs", 0)
    return None if told is False else told
