"""Whole calls that came from elsewhere: what a row must be before a cache takes it for paid truth.

Contract: the key is the SHA-256 of the request's text, that text is canonical JSON, the reply's text is a reply of ours
with values of the right types, and the other columns say what these two say. Nothing in a row is ever run.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import orjson

from dreamsmk.calls.caching.cache import CallRow
from dreamsmk.calls.caching.database import Row
from dreamsmk.calls.caching.reply_json import OPTIONAL, decoded
from dreamsmk.errors import CacheError, IdentityError
from dreamsmk.hashing import canonical_bytes, digest_bytes
from dreamsmk.requests import Response, ToolCall

_SHOWN_KEY = 24


def checked(row: CallRow) -> Row:
    """Returns a row to be stored.

    Raises:
        CacheError: The row is not what it says.
    """
    try:
        model = _request(row)
        reply = _reply(row.response)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, IdentityError) as exc:
        words = exc.what if isinstance(exc, IdentityError) else str(exc)
        raise CacheError(
            f"a call to be added is not what it says: {words}",
            where=f"key {row.key[:_SHOWN_KEY]}…" if len(row.key) > _SHOWN_KEY else f"key {row.key!r}",
            hint="the file was damaged or tampered with; get it again from its source",
        ) from exc
    told = (row.model, row.provider, row.created_at)
    if told != (model.get("model"), model.get("provider"), reply.created_at):
        raise CacheError("the columns of a call to be added do not say what its request says", where=f"key {row.key}")
    columns = (row.key, row.request, row.response, row.created_at, row.rule, row.model, row.provider)
    return Row(*columns, model.get("base_url"), reply)


# Any: JSON.
def _request(row: CallRow) -> dict[str, Any]:
    """Returns the model of a row's request."""
    text = row.request.encode()
    if digest_bytes(text, "sha256") != row.key:
        raise ValueError("the key is not the digest of the request")
    value = orjson.loads(text)
    if canonical_bytes(value) != text:
        raise ValueError("the request is not canonical JSON")
    if not isinstance(value, dict) or not isinstance(value.get("model"), dict):
        raise ValueError("the request names no model")
    model: dict[str, Any] = value["model"]
    return model


def _reply(text: str) -> Response:
    text.encode()
    reply = decoded(text)
    # What is no field of a reply would be lost in silence.
    unknown = json.loads(text).keys() - Response.__dataclass_fields__.keys()
    if unknown:
        raise ValueError(f"the reply has an unknown field {min(unknown)!r}")
    texts = (reply.text, reply.finish_reason, reply.model, reply.created_at)
    counts = (*(getattr(reply.usage, name) for name in reply.usage.__dataclass_fields__), reply.retries)
    is_sound = (
        all(isinstance(word, str) for word in texts)
        and all(type(count) is int for count in counts)
        and isinstance(reply.latency_seconds, (int, float))
        and all(isinstance(getattr(reply, name), (str, type(None))) for name in OPTIONAL if name != "labels")
        and all(_is_tool_call(call) for call in reply.tool_calls)
        and isinstance(reply.labels, (dict, type(None)))
    )
    if not is_sound:
        raise ValueError("a value of the reply is of the wrong type")
    datetime.fromisoformat(reply.created_at)
    return reply


def _is_tool_call(call: ToolCall) -> bool:
    return all(isinstance(word, str) for word in (call.id, call.name, call.arguments))
