"""vLLM from end to end; runs where there is a CUDA GPU and vLLM."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.vllm import VllmProvider
from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_model
from tests.tiny.asking import ask_local, local_request

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.device_count(), reason="there is no CUDA GPU"),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

PROMPTS = ["the of and", "it", "they were all there with him", "so be it"]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    folder: Path = make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    options = {"gpu_memory_utilization": 0.2, "enforce_eager": True, "tensor_parallel_size": 1}
    return ModelSpec(provider="vllm", model=str(folder), dtype="float32", options=options)


@pytest.fixture(scope="module")
def provider(spec: ModelSpec) -> Iterator[VllmProvider]:
    VllmProvider.check(spec)
    opened = VllmProvider(spec)
    yield opened
    opened.close()


def test_each_request_gets_its_own_reply(provider: VllmProvider, spec: ModelSpec) -> None:
    requests = [local_request(spec, prompt, max_tokens=8) for prompt in PROMPTS]
    replies = ask_local(provider, *requests)
    assert len({reply.text for reply in replies}) == len(PROMPTS)
    assert [reply.text for reply in ask_local(provider, *requests[::-1])] == [reply.text for reply in replies][::-1]
    assert all(reply.usage.input_tokens > 10 and 1 <= reply.usage.output_tokens <= 8 for reply in replies)


def test_greedy_replies_are_those_of_transformers(provider: VllmProvider, spec: ModelSpec) -> None:
    from dreamsmk.providers.transformers import TransformersProvider

    other = ModelSpec(provider="transformers", model=spec.model, dtype="float32")
    found = ask_local(provider, *(local_request(spec, prompt, max_tokens=6) for prompt in PROMPTS))
    expected = ask_local(
        TransformersProvider(other), *(local_request(other, prompt, max_tokens=6) for prompt in PROMPTS)
    )
    assert [reply.text for reply in found] == [reply.text for reply in expected]


def test_samples_come_again_and_differ_by_their_number(provider: VllmProvider, spec: ModelSpec) -> None:
    requests = [local_request(spec, sample=n, temperature=1.5, max_tokens=16) for n in range(3)]
    replies = [reply.text for reply in ask_local(provider, *requests)]
    assert len(set(replies)) == 3
    assert [reply.text for reply in ask_local(provider, *requests)] == replies


def test_limits_stop_texts_and_log_probabilities(provider: VllmProvider, spec: ModelSpec) -> None:
    (reply,) = ask_local(provider, local_request(spec, max_tokens=3, logprobs=2))
    assert (reply.usage.output_tokens, reply.finish_reason) == (3, "length")
    assert reply.logprobs is not None
    assert all(one["logprob"] <= 0 and len(one["top"]) == 2 for one in reply.logprobs)
    (long,) = ask_local(provider, local_request(spec, max_tokens=24))
    stop = long.text[4:7]
    (cut,) = ask_local(provider, local_request(spec, max_tokens=24, stop=(stop,)))
    assert cut.text == long.text[: long.text.index(stop)]


def test_a_schema_holds_the_reply(provider: VllmProvider, spec: ModelSpec) -> None:
    schema = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}
    (reply,) = ask_local(provider, local_request(spec, schema=schema, max_tokens=100))
    assert isinstance(json.loads(reply.text)["sure"], bool)


def test_what_it_does_not_take_is_rejected_and_the_others_are_answered(provider: VllmProvider, spec: ModelSpec) -> None:
    requests = [
        local_request(spec, "the " * 600),
        local_request(spec, max_tokens=2),
        local_request(spec, temperature=9.0),
    ]
    replies = provider.generate(requests)
    assert next(replies)[0] == 1
    with pytest.raises(RequestRejected, match="2 requests were rejected"):
        next(replies)
