"""Replies as texts: every reply comes back as it was."""

import dataclasses
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsmk.calls.caching.reply_json import LONG, OPTIONAL, REQUIRED, decoded, encoded
from dreamsmk.requests import Response, ToolCall, Usage

texts = st.text(st.characters(codec=None), max_size=30)
names = st.text(max_size=10)
counts = st.integers(0, 2**53)
numbers = st.floats(allow_nan=False)
replies = st.builds(
    Response,
    text=texts,
    finish_reason=names,
    model=names,
    usage=st.builds(Usage, counts, counts, counts, counts),
    created_at=names,
    latency_seconds=numbers,
    request_id=st.none() | names,
    system_fingerprint=st.none() | names,
    retries=st.integers(0, 9),
    tool_calls=st.lists(st.builds(ToolCall, names, names, texts), max_size=2).map(tuple),
    refusal=st.none() | texts,
    reasoning=st.none() | texts,
    logprobs=st.none()
    | st.lists(st.fixed_dictionaries({"token": texts, "logprob": numbers}), min_size=1, max_size=2).map(tuple),
    embedding=st.none() | names,
    labels=st.none() | st.dictionaries(names, numbers, max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(replies)
def test_every_reply_comes_back_as_it_was(reply):
    text = encoded(reply)
    text.encode()
    assert decoded(text) == reply
    assert Response.from_json(json.loads(text)) == reply


def test_every_field_of_a_reply_is_known_here():
    assert {*REQUIRED, *OPTIONAL, *LONG, "retries"} == {field.name for field in dataclasses.fields(Response)}


def test_a_text_of_an_earlier_version_is_read():
    old = (
        '{"text":"hi","finish_reason":"stop","model":"m","usage":{"input_tokens":1,"cached_input_tokens":0,'
        '"output_tokens":2,"reasoning_tokens":0},"created_at":"2025-01-01","latency_seconds":1}'
    )
    assert decoded(old) == Response("hi", "stop", "m", Usage(1, 0, 2, 0), "2025-01-01", 1)


def test_a_reply_without_infinite_numbers_is_json_for_everybody():
    reply = Response("null", "stop", "m", Usage(), "2025-01-01", 0.5, logprobs=({"token": "null", "top": None},))
    assert json.loads(encoded(reply), parse_constant=lambda name: 1 / 0) == reply.to_json()
