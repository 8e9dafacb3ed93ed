"""Anthropic's wire format: messages."""

from __future__ import annotations

from typing import Any

from tests.wire.answers import Script
from tests.wire.asked import asked, word_count


def message(body: dict[str, Any], script: Script, number: int) -> dict[str, Any]:
    """Returns a message."""
    answer = script.answer(asked(body), number)
    blocks: list[dict[str, Any]] = []
    if answer.reasoning is not None:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": "signed"})
    if answer.text is not None and answer.refusal is None:
        blocks.append({"type": "text", "text": answer.text})
    if answer.tool is not None:
        name, arguments = answer.tool
        blocks.append({"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments})
    reasons = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
    refused = {"type": "refusal", "category": "bio", "explanation": answer.refusal}
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": body["model"] + "-20260101",
        "content": blocks,
        "stop_reason": reasons.get(answer.finish_reason, answer.finish_reason) if answer.refusal is None else "refusal",
        "stop_details": None if answer.refusal is None else refused,
        "stop_sequence": None,
        "usage": {
            "input_tokens": word_count(body),
            "cache_creation_input_tokens": 1,
            "cache_read_input_tokens": 2,
            "output_tokens": answer.word_count,
            "output_tokens_details": {"thinking_tokens": 3},
        },
    }
