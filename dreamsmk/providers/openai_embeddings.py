"""Requests and replies in the wire format of the embeddings API (`wanted: embedding`).

Contract: the vectors are the service's own float32 numbers, never rounded on the way: they are asked for in base64,
which is just what a `Response` holds. Servers that send lists of numbers all the same are understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from dreamsmk.errors import RequestRejected, ServiceUnavailable
from dreamsmk.providers.openai_chat import no_reply
from dreamsmk.providers.replies import utc_now
from dreamsmk.requests import Request, Response, Usage, encoded_vector

# OpenAI takes 2,048 texts and 300,000 tokens at once; this many texts stay below both, and are soon there again.
ROWS_AT_ONCE = 64


# Any: the JSON body.
def embeddings_body(requests: Sequence[Request], model: str) -> dict[str, Any]:
    """Returns the body that asks for the vectors of several texts."""
    texts = []
    for request in requests:
        if len(request.messages) != 1:
            raise RequestRejected("an embedding is that of one message", hint="send one text a request")
        texts.append(request.messages[0].content)
    return {"model": model, "input": texts, "encoding_format": "base64"}


# Any: the JSON reply.
def read_embeddings(
    reply: Mapping[str, Any], requests: Sequence[Request], *, seconds: float, request_id: str | None
) -> list[Response]:
    """Returns one reply a request.

    The tokens are shared out by the lengths of the texts, because the service only tells their sum.

    Raises:
        ServiceUnavailable: There is not one vector for each text.
    """
    entries = reply.get("data")
    if not isinstance(entries, list):
        raise no_reply(reply, "embeddings")
    if len(entries) != len(requests):
        raise ServiceUnavailable(f"the service sent {len(entries)} vectors for {len(requests)} texts")
    ordered = sorted(entries, key=lambda entry: entry.get("index") or 0)
    usage = reply.get("usage")
    total = usage.get("prompt_tokens") or 0 if isinstance(usage, dict) else 0
    tokens = shares(total, [len(request.messages[0].content) for request in requests])
    now = utc_now()
    return [
        Response(
            text="",
            finish_reason="stop",
            model=reply.get("model") or request.model.model,
            usage=Usage(input_tokens=count),
            created_at=now,
            latency_seconds=seconds,
            request_id=request_id or reply.get("id") or None,
            embedding=_vector(entry.get("embedding")),
        )
        for request, entry, count in zip(requests, ordered, tokens, strict=True)
    ]


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Returns whole numbers that add up to `total`, in proportion to the weights."""
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    bounds, passed = [0], 0
    for weight in weights:
        passed += weight
        bounds.append(total * passed // whole)
    return [after - before for before, after in pairwise(bounds)]


# Any: the JSON reply.
def _vector(value: Any) -> str:
    if isinstance(value, str) and value and len(value) % 4 == 0:
        return value
    if isinstance(value, list) and value and all(isinstance(number, int | float) for number in value):
        return encoded_vector(value)
    raise ServiceUnavailable("the service sent no vector for a text")
