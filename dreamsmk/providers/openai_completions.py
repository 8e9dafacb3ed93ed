"""Requests and replies in the wire format of the text completions API (`api: completions`), for base models.

Contract: no chat template is applied. The prompt is the texts of the messages, joined by an empty line, as the provider
`transformers` does it with `options: {chat: false}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.providers.openai_chat import FINISH_REASONS, add_sampling, chat_usage, no_reply
from dreamsmk.providers.replies import utc_now
from dreamsmk.requests import Request, Response


# Any: the JSON body.
def completions_body(request: Request, model: str) -> dict[str, Any]:
    """Returns the body of a text completion."""
    sampling = request.sampling
    body: dict[str, Any] = {"model": model, "prompt": "\n\n".join(message.content for message in request.messages)}
    add_sampling(body, sampling, request.sample)
    if sampling.max_tokens is not None:
        body["max_tokens"] = sampling.max_tokens
    if sampling.logprobs is not None:
        body["logprobs"] = sampling.logprobs
    return body


# Any: the JSON reply.
def read_completions(reply: Mapping[str, Any], request: Request, *, seconds: float, request_id: str | None) -> Response:
    """Returns the reply that a text completion says.

    Raises:
        ServiceUnavailable: It holds no text.
    """
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    text = choice.get("text")
    if not isinstance(text, str):
        raise no_reply(reply, "text completion")
    finish_reason = choice.get("finish_reason") or "stop"
    return Response(
        text=text,
        finish_reason=FINISH_REASONS.get(finish_reason, finish_reason),
        model=reply.get("model") or request.model.model,
        usage=chat_usage(reply.get("usage")),
        created_at=utc_now(),
        latency_seconds=seconds,
        request_id=request_id or reply.get("id") or None,
        system_fingerprint=reply.get("system_fingerprint"),
        logprobs=_logprobs(choice.get("logprobs")),
    )


# Any: the JSON reply.
def _logprobs(told: Any) -> tuple[Mapping[str, Any], ...] | None:
    if not isinstance(told, dict) or not told.get("tokens"):
        return None
    tokens, numbers = told["tokens"], told.get("token_logprobs") or []
    tops = told.get("top_logprobs") or [None] * len(tokens)
    return tuple(
        {
            "token": token,
            "logprob": number,
            "top": [{"token": word, "logprob": logprob} for word, logprob in (top or {}).items()],
        }
        for token, number, top in zip(tokens, numbers, tops, strict=False)
    )
