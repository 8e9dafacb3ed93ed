"""A reply as plain JSON."""

import dataclasses
import json

import numpy as np
import pytest

from dreamsmk.requests import Response, ToolCall, Usage, encoded_vector

PLAIN = Response("hi", "stop", "m", Usage(3, 1, 2, 0), "2026-01-01T00:00:00.000+00:00", 0.5)
FULL = dataclasses.replace(
    PLAIN,
    request_id="r",
    system_fingerprint="f",
    retries=2,
    tool_calls=(ToolCall("1", "search", '{"q": "é"}'),),
    refusal="no",
    reasoning="hm",
    logprobs=({"token": "hi", "logprob": -0.1, "top": []},),
    embedding=encoded_vector([0.5, -1.25]),
    labels={"good": 0.75},
)


@pytest.mark.parametrize("reply", [PLAIN, FULL, dataclasses.replace(PLAIN, logprobs=(), labels={})])
def test_a_reply_comes_back_from_json_as_it_was(reply):
    assert Response.from_json(json.loads(json.dumps(reply.to_json()))) == reply


def test_every_field_is_written_where_it_is_set():
    assert set(FULL.to_json()) == {field.name for field in dataclasses.fields(Response)}


def test_what_is_absent_takes_no_room():
    assert set(PLAIN.to_json()) == {"text", "finish_reason", "model", "usage", "created_at", "latency_seconds"}


def test_a_reply_that_an_older_version_stored_is_read():
    stored = dataclasses.asdict(PLAIN)
    older = {name: stored[name] for name in PLAIN.to_json()} | {"request_id": None, "system_fingerprint": None}
    assert Response.from_json(older) == PLAIN


def test_a_vector_keeps_its_float32_numbers():
    numbers = np.array([1 / 3, -2.5e-30, 3e38], dtype=np.float32)
    assert dataclasses.replace(PLAIN, embedding=encoded_vector(numbers)).vector().tolist() == numbers.tolist()
    with pytest.raises(ValueError, match="no vector"):
        PLAIN.vector()
