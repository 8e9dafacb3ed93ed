"""OpenAI's wire formats: chat completions, responses, text completions, embeddings."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.wire.answers import Answer, Script, packed, vector
from tests.wire.asked import asked, word_count

Reply = dict[str, Any]


def chat(body: dict[str, Any], script: Script, number: int) -> Reply:
    """Returns a chat completion."""
    answer = script.answer(asked(body), number)
    message: Reply = {"role": "assistant", "content": answer.text}
    if answer.tool is not None:
        name, arguments = answer.tool
        function = {"name": name, "arguments": json.dumps(arguments)}
        message["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": function}]
    if answer.refusal is not None:
        message |= {"refusal": answer.refusal, "content": None}
    if answer.reasoning is not None:
        message["reasoning_content"] = answer.reasoning
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": answer.finish_reason,
        "logprobs": None if answer.logprobs is None else {"content": _tokens(answer)},
    }
    return _completion(body, "chat.completion", choice, answer, number)


def text_completion(body: dict[str, Any], script: Script, number: int) -> Reply:
    """Returns a text completion."""
    answer = script.answer(asked(body), number)
    told = None
    if answer.logprobs is not None:
        told = {
            "tokens": [token for token, _, _ in answer.logprobs],
            "token_logprobs": [logprob for _, logprob, _ in answer.logprobs],
            "top_logprobs": [dict(top) for _, _, top in answer.logprobs],
        }
    choice = {"index": 0, "text": answer.text or "", "finish_reason": answer.finish_reason, "logprobs": told}
    return _completion(body, "text_completion", choice, answer, number)


def response(body: dict[str, Any], script: Script, number: int) -> Reply:
    """Returns a response."""
    answer = script.answer(asked(body), number)
    output: list[Reply] = []
    if answer.reasoning is not None:
        summary = [{"type": "summary_text", "text": answer.reasoning}]
        output.append({"type": "reasoning", "id": f"rs_{number}", "summary": summary})
    if answer.tool is not None:
        call = {"call_id": f"call_{number}", "name": answer.tool[0], "arguments": json.dumps(answer.tool[1])}
        output.append({"type": "function_call", "id": f"fc_{number}", "status": "completed", **call})
    if answer.refusal is not None:
        output.append(_message(number, {"type": "refusal", "refusal": answer.refusal}))
    elif answer.text is not None:
        logprobs = {} if answer.logprobs is None else {"logprobs": _tokens(answer)}
        output.append(_message(number, {"type": "output_text", "text": answer.text, "annotations": [], **logprobs}))
    is_cut = answer.finish_reason == "length"
    prompt = word_count(body)
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "error": None,
        "model": body["model"] + "-2026-01-01",
        "output": output,
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 1},
            "output_tokens": answer.word_count,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": prompt + answer.word_count,
        },
    }


def embeddings(body: dict[str, Any], script: Script, number: int) -> Reply:
    """Returns the vectors of texts, last one first: only `index` tells which is which."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    is_base64 = body.get("encoding_format") == "base64"
    data = []
    for index, text in reversed(list(enumerate(texts))):
        numbers = vector(text, body.get("dimensions"))
        value = base64.b64encode(packed(numbers)).decode() if is_base64 else numbers
        data.append({"object": "embedding", "index": index, "embedding": value})
    count = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "model": body["model"] + "-2026-01-01", "data": data, "usage": usage}


def _message(number: int, part: Reply) -> Reply:
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [part]}


def _completion(body: dict[str, Any], kind: str, choice: Reply, answer: Answer, number: int) -> Reply:
    prompt = word_count(body)
    return {
        "id": f"chatcmpl-{number}",
        "object": kind,
        "created": 1_700_000_000,
        "model": body.get("model", "deployed") + "-2026-01-01",
        "system_fingerprint": "fp_test",
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": answer.word_count,
            "total_tokens": prompt + answer.word_count,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }


def _tokens(answer: Answer) -> list[Reply]:
    return [
        {
            "token": token,
            "logprob": logprob,
            "bytes": list(token.encode()),
            "top_logprobs": [{"token": word, "logprob": number, "bytes": None} for word, number in top],
        }
        for token, logprob, top in answer.logprobs or []
    ]


FORMATS: dict[str, Callable[[dict[str, Any], Script, int], Reply]] = {
    "/chat/completions": chat,
    "/completions": text_completion,
    "/responses": response,
    "/embeddings": embeddings,
}
