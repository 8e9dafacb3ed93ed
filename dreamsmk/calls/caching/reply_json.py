"""Replies as the JSON texts that call caches store, and back, fast: a cached run does little else.

Contract: `decoded(encoded(reply)) == reply` for every reply that a provider may give, half surrogate pairs, infinities
and NaN included: it was paid for, so it is kept as it is. Texts that hold one of the latter two are JSON as Python
writes it (`Infinity`, `NaN`); all others are RFC 8259. Nothing here runs what a text says.
"""

from __future__ import annotations

import json
from operator import itemgetter
from typing import Any

import orjson

from dreamsmk.requests import Response, Usage

# What a reply always has; the others are left out where they are absent.
REQUIRED = ("text", "finish_reason", "model", "usage", "created_at", "latency_seconds")
OPTIONAL = ("request_id", "system_fingerprint", "refusal", "reasoning", "embedding", "labels")
TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
# Fields that `Response.from_json` knows how to read; few replies have one.
LONG = ("tool_calls", "logprobs")

_required = itemgetter(*REQUIRED)
_tokens = itemgetter(*TOKENS)
# A frozen dataclass sets its fields through `object.__setattr__`, which takes twice as long as their slots do.
_set = {name: getattr(Response, name).__set__ for name in Response.__dataclass_fields__}
_set_text, _set_reason, _set_model, _set_usage, _set_created, _set_latency = (_set[name] for name in REQUIRED)
_set_id, _set_fingerprint, _set_refusal, _set_reasoning, _set_embedding, _set_labels = (_set[name] for name in OPTIONAL)
_set_retries, _set_tools, _set_logprobs = _set["retries"], _set["tool_calls"], _set["logprobs"]
_set_input, _set_cached, _set_output, _set_thought = (getattr(Usage, name).__set__ for name in TOKENS)
_new = object.__new__


def encoded(reply: Response) -> str:
    """Returns a reply as JSON."""
    value = reply.to_json()
    try:
        text = orjson.dumps(value)
    except TypeError:
        # Half a surrogate pair, which only its escape can be stored as; or an integer of more than 64 bits.
        return json.dumps(value, separators=(",", ":"))
    if b"null" in text and not _is_finite(value):
        return json.dumps(value, separators=(",", ":"))
    return text.decode()


def decoded(text: str) -> Response:
    """Returns the reply that a text of `encoded` holds.

    Raises:
        ValueError: It is no JSON.
        TypeError, KeyError, AttributeError: It is no reply.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = json.loads(text)
    if "tool_calls" in value or "logprobs" in value:
        return Response.from_json(value)
    return _built(value)


# Any: JSON.
def _built(value: dict[str, Any]) -> Response:
    """Returns what `Response.from_json` does, in two thirds of the time."""
    words, reason, model, tokens, created_at, latency = _required(value)
    inputs, cached, outputs, thought = _tokens(tokens)
    usage = _new(Usage)
    _set_input(usage, inputs)
    _set_cached(usage, cached)
    _set_output(usage, outputs)
    _set_thought(usage, thought)
    reply = _new(Response)
    _set_text(reply, words)
    _set_reason(reply, reason)
    _set_model(reply, model)
    _set_usage(reply, usage)
    _set_created(reply, created_at)
    _set_latency(reply, latency)
    get = value.get
    _set_id(reply, get("request_id"))
    _set_fingerprint(reply, get("system_fingerprint"))
    _set_retries(reply, get("retries", 0))
    _set_tools(reply, ())
    _set_refusal(reply, get("refusal"))
    _set_reasoning(reply, get("reasoning"))
    _set_logprobs(reply, None)
    _set_embedding(reply, get("embedding"))
    _set_labels(reply, get("labels"))
    return reply


# Any: JSON.
def _is_finite(value: dict[str, Any]) -> bool:
    """Tells whether no number in a value is infinite or NaN, which orjson writes as null."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
