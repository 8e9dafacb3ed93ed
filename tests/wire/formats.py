"""The wire formats: OpenAI chat completions and Anthropic messages. Replies are a pure function of the body."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from aiohttp import web

Rules = list[tuple[str, str | None]]


def last_user_message(body: dict[str, Any]) -> str:
    """Returns the text of the last user message of a request's body."""
    for message in reversed(body.get("messages", [])):
        if message.get("role") == "user":
            content = message.get("content")
            return content if isinstance(content, str) else json.dumps(content)
    return ""


def reply_text(body: dict[str, Any], rules: Rules, number: int) -> tuple[str | None, str]:
    """Returns the reply's text and why it ended: by the first rule whose text the prompt holds, else by digest.

    `{number}` in a rule's text becomes the number of the call, as a model that samples never says the same twice.
    """
    prompt = last_user_message(body)
    for contains, text in rules:
        if contains in prompt:
            return text and text.replace("{number}", str(number)), "stop"
    digest = hashlib.sha256(prompt.encode()).hexdigest()[:8]
    words = f"Reply {digest} to: {prompt}".split(" ")
    limit = body.get("max_tokens", body.get("max_completion_tokens"))
    if limit is not None and len(words) > limit:
        return " ".join(words[:limit]), "length"
    return " ".join(words), "stop"


def openai_reply(body: dict[str, Any], rules: Rules, number: int) -> web.Response:
    """Returns a chat completion."""
    text, reason = reply_text(body, rules, number)
    prompt = sum(len(str(message.get("content")).split()) for message in body["messages"])
    written = len((text or "").split())
    reply = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"] + "-2026-01-01",
        "system_fingerprint": "fp_test",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason, "logprobs": None}
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }
    return web.json_response(reply, headers={"x-request-id": f"req-{number}"})


def anthropic_reply(body: dict[str, Any], rules: Rules, number: int) -> web.Response:
    """Returns a message."""
    text, reason = reply_text(body, rules, number)
    texts = [message.get("content") for message in body["messages"]] + [body.get("system", "")]
    reply = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": body["model"] + "-20260101",
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": {"stop": "end_turn", "length": "max_tokens"}[reason],
        "stop_sequence": None,
        "usage": {
            "input_tokens": sum(len(str(t).split()) for t in texts),
            "cache_creation_input_tokens": 1,
            "cache_read_input_tokens": 2,
            "output_tokens": len((text or "").split()),
            "output_tokens_details": {"thinking_tokens": 3},
        },
    }
    return web.json_response(reply, headers={"request-id": f"req-{number}"})
