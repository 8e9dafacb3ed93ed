from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import pytest

from dreamsmk.errors import RequestRejected, ServiceUnavailable
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.providers.openai_embeddings import shares
from dreamsmk.requests import Message, Request, Response, encoded_vector
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.answers import vector
from tests.wire.asking import make_request

TEXTS = ["one two three", "four", "five six"]


@pytest.fixture
def spec(server: WireServer, keys: str) -> ModelSpec:
    return ModelSpec(provider="openai", model="embedder", base_url=server.openai_url, timeout_seconds=5)


def wants(spec: ModelSpec, text: str, **values) -> Request:
    return dataclasses.replace(make_request(spec, text, **values), wanted="embedding")


def embed(spec: ModelSpec, *requests: Request) -> list[Response]:
    provider = OpenAIProvider(spec)

    async def together() -> list[Response]:
        try:
            return await provider.complete_many(requests)
        finally:
            await provider.close()

    return asyncio.run(together())


def test_many_texts_are_one_call_and_each_gets_its_own_exact_vector(server: WireServer, spec: ModelSpec) -> None:
    replies = embed(spec, *(wants(spec, text) for text in TEXTS))
    assert server.count == 1
    assert server.last.path == "/v1/embeddings"
    assert server.last.body == {"model": "embedder", "input": TEXTS, "encoding_format": "base64"}
    for text, reply in zip(TEXTS, replies, strict=True):
        np.testing.assert_array_equal(reply.vector(), np.array(vector(text, None), dtype="<f4"))
        assert Response.from_json(reply.to_json()) == reply


def test_the_tokens_of_a_call_are_shared_out_whole(spec: ModelSpec) -> None:
    replies = embed(spec, *(wants(spec, text) for text in TEXTS))
    assert sum(reply.usage.input_tokens for reply in replies) == 6
    assert replies[0].usage.input_tokens > replies[1].usage.input_tokens
    assert shares(7, [0, 0]) == [3, 4]
    assert sum(shares(10**6 + 1, [3, 1, 4, 1, 5])) == 10**6 + 1


def test_dimensions_are_an_option_and_part_of_the_identity(server: WireServer, spec: ModelSpec) -> None:
    spec = dataclasses.replace(spec, options={"dimensions": 3})
    (reply,) = embed(spec, wants(spec, "one"))
    assert reply.vector().shape == (3,)
    assert server.last.body["dimensions"] == 3


def test_lists_of_numbers_are_understood_as_well(spec: ModelSpec) -> None:
    answer = {"data": [{"index": 0, "embedding": [0.5, -0.25]}]}
    reply = OpenAIProvider(spec).read(answer, wants(spec, "one"))
    assert reply.embedding == encoded_vector([0.5, -0.25])


@pytest.mark.parametrize(
    "reply", [{}, {"data": []}, {"data": [{"embedding": ""}]}, {"data": [{"embedding": [None]}]}, {"data": [{}, {}]}]
)
def test_less_than_one_vector_a_text_is_no_reply(spec: ModelSpec, reply: dict) -> None:
    with pytest.raises(ServiceUnavailable):
        OpenAIProvider(spec).read(reply, wants(spec, "one"))


def test_a_conversation_or_a_sampling_value_is_refused(server: WireServer, spec: ModelSpec) -> None:
    several = dataclasses.replace(wants(spec, "one"), messages=(Message("user", "a"), Message("user", "b")))
    for request in (several, wants(spec, "one", temperature=0.5)):
        with pytest.raises(RequestRejected):
            embed(spec, request, wants(spec, "two"))
    assert server.count == 0


def test_texts_among_them_are_asked_for_one_by_one(server: WireServer, spec: ModelSpec) -> None:
    replies = embed(spec, wants(spec, "one"), make_request(spec, "two"))
    assert server.count == 2
    assert (replies[0].text, replies[1].embedding) == ("", None)
