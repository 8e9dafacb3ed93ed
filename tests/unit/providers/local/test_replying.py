"""Limits of tokens, prompts without a template, and log-probabilities, as requests see them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local.batching import BatchLimits, in_batches
from dreamsmk.providers.local.decoding import Decoder
from dreamsmk.providers.local.loading import load_model
from dreamsmk.providers.local.replying import make_row
from dreamsmk.providers.local.sampling import sampling_group
from dreamsmk.providers.transformers import TransformersProvider
from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_model
from tests.wire.asking import ask, make_request


def test_a_reply_that_has_no_room_in_the_context_is_rejected_with_both_numbers(tmp_path: Path, spec: ModelSpec) -> None:
    short = dataclasses.replace(spec, model=str(make_tiny_model(tmp_path / "short", context=64)), api="completions")
    provider = TransformersProvider(short)
    (fits,) = ask(provider, make_request(short, "x" * 50, max_tokens=14))
    assert fits.usage.input_tokens == 50
    with pytest.raises(
        RequestRejected, match=r"50 tokens and its reply may have 15, .* context is 64 tokens"
    ) as caught:
        ask(provider, make_request(short, "x" * 50, max_tokens=15))
    assert "max_tokens: 14 at most" in caught.value.hint


def test_a_sequence_to_sequence_model_has_its_context_for_the_prompt_alone(t5_spec: ModelSpec) -> None:
    provider = TransformersProvider(t5_spec)
    longest = make_request(t5_spec, "o" * 126, max_tokens=200)
    assert ask(provider, longest)[0].usage.output_tokens == 200
    with pytest.raises(RequestRejected, match="the model's context is 128 tokens"):
        ask(provider, make_request(t5_spec, "o" * 127, max_tokens=1))
    assert ask(provider, make_request(t5_spec, "o"))[0].usage.output_tokens <= 128


def test_completions_and_the_option_chat_are_the_same_prompt(spec: ModelSpec) -> None:
    request = make_request(spec, "the of and", max_tokens=4)
    given = ({"api": "completions"}, {"options": {"chat": False}}, {"api": "chat"}, {})
    tokens = [
        ask(TransformersProvider(dataclasses.replace(spec, **values)), request)[0].usage.input_tokens
        for values in given
    ]
    assert tokens[0] == tokens[1] < tokens[2] == tokens[3]


@pytest.mark.parametrize("temperature", [None, 1.3])
def test_logprobs_are_those_of_the_model_before_any_sampling(spec: ModelSpec, temperature: float | None) -> None:
    loaded = load_model(spec)
    values = {"max_tokens": 5, "temperature": temperature, "top_k": 3, "repetition_penalty": 1.2}
    requests = [make_request(spec, "it", **values, logprobs=count) for count in (2, None)]
    rows = [make_row(n, request, [7 + n, 8, 9, 10][n:], loaded, None) for n, request in enumerate(requests)]
    decoder = Decoder(loaded, sampling_group(requests[0].sampling))
    assert len(list(in_batches(rows, BatchLimits(2), decoder, lambda row: len(row.prompt)))) == 2
    assert rows[1].logprobs == []
    with torch.inference_mode():
        ids = torch.tensor([rows[0].prompt + rows[0].new])
        known = loaded.model(ids).logits[0, -6:-1].log_softmax(dim=-1)
    for entry, logprobs, token in zip(rows[0].logprobs, known, rows[0].new, strict=True):
        best = logprobs.topk(2)
        assert entry["token"] == loaded.tokenizer.decode([token])
        assert entry["logprob"] == pytest.approx(float(logprobs[token]), abs=1e-4)
        assert [top["token"] for top in entry["top"]] == [loaded.tokenizer.decode([i]) for i in best.indices.tolist()]
        assert [top["logprob"] for top in entry["top"]] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_logprobs_end_where_the_text_ends(spec: ModelSpec) -> None:
    (whole,) = ask(TransformersProvider(spec), make_request(spec, max_tokens=12, logprobs=0))
    assert whole.logprobs is not None
    assert whole.logprobs[0]["top"] == []
    stop = whole.text[6:9]
    (cut,) = ask(TransformersProvider(spec), make_request(spec, max_tokens=12, logprobs=0, stop=(stop,)))
    assert cut.logprobs is not None
    assert cut.text == whole.text[: whole.text.index(stop)]
    told = "".join(entry["token"] for entry in cut.logprobs)
    assert told.startswith(cut.text)
    assert len(cut.logprobs) <= cut.usage.output_tokens


def test_a_model_may_be_spread_over_whatever_there_is(spec: ModelSpec) -> None:
    request = make_request(spec, "the of and", max_tokens=6)
    spread = dataclasses.replace(spec, device="auto")
    TransformersProvider.check(spread)
    (reply,) = ask(TransformersProvider(spread), request)
    if not torch.cuda.is_available():
        assert reply.text == ask(TransformersProvider(spec), request)[0].text
