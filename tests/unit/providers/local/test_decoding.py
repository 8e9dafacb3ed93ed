"""Whatever rows come and go beside it, a row has the tokens of transformers' own `generate`."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GPT2Config,
    GPTNeoXConfig,
    MambaConfig,
    MistralConfig,
)

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local import answering, passes
from dreamsmk.providers.local.answering import LocalModel
from dreamsmk.providers.local.batching import in_batches
from dreamsmk.providers.local.decoding import Decoder
from dreamsmk.providers.local.loading import LoadedModel, load_model
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.providers.local.replying import make_reply, make_row
from dreamsmk.providers.local.sampling import sampling_group
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec
from tests.tiny.fixed import fixed_request
from tests.tiny.model import TEXT

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.2}
# plain keys and values, positions that are learned, a window that slides, no attention at all
KINDS = {
    "neox": lambda **v: GPTNeoXConfig(**SMALL, intermediate_size=128, max_position_embeddings=512, **v),
    "gpt2": lambda **v: GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=512, initializer_range=0.3, **v),
    "window": lambda **v: MistralConfig(**SMALL, intermediate_size=128, num_key_value_heads=2, sliding_window=9, **v),
    "mamba": lambda **v: MambaConfig(hidden_size=64, num_hidden_layers=2, state_size=8, initializer_range=0.3, **v),
}


def make_model(kind: str, tiny: Path, folder: Path) -> Path:
    """Writes a causal model of another kind beside the tokenizer of the tiny one."""
    shutil.copytree(tiny, folder)
    if kind in KINDS:
        ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(KINDS[kind](vocab_size=len(tokenizer), **ids))
        model.save_pretrained(folder)
    return folder


def requests_for(spec: ModelSpec, count: int = 14, **values) -> list[Request]:
    """Returns requests of prompts and replies of many lengths."""
    chance = random.Random(0)
    words = TEXT.split()
    prompts = [" ".join(chance.choices(words, k=chance.randint(1, 40))) for _ in range(count)]
    return [fixed_request(spec, prompt, max_tokens=chance.randint(1, 24), **values) for prompt in prompts]


def plain_tokens(folder: Path, request: Request, loaded: LoadedModel, **values) -> str:
    auto = AutoModelForSeq2SeqLM if loaded.is_encoder_decoder else AutoModelForCausalLM
    with quietly():
        model = auto.from_pretrained(folder)
        tokenizer = loaded.tokenizer
        ids = tokenizer(request.messages[-1].content, return_tensors="pt")["input_ids"]
        output = model.generate(ids, do_sample=False, max_new_tokens=request.sampling.max_tokens, **values)
    new = output[0] if loaded.is_encoder_decoder else output[0, ids.shape[1] :]
    return tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def answers(spec: ModelSpec, requests: list[Request]) -> list[Response | RequestRejected]:
    replies = dict(LocalModel(spec).answer(requests))
    return [replies[index] for index in range(len(requests))]


@pytest.fixture(params=["one pass", "passes"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts of a batch that are read in one pass, or in as many as there are lengths."""
    monkeypatch.setattr(passes, "PASS_TOKENS", 10**6 if request.param == "one pass" else 0)


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("kind", ["llama", *KINDS])
def test_every_kind_of_causal_model_answers_as_generate_does(kind: str, tiny: Path, tmp_path: Path) -> None:
    folder = make_model(kind, tiny, tmp_path / kind)
    spec = ModelSpec(provider="transformers", model=str(folder), dtype="float32", batch_size=3, api="completions")
    requests = requests_for(spec)
    loaded = load_model(spec)
    expected = [plain_tokens(folder, request, loaded) for request in requests]
    assert len(set(expected)) > 10
    assert [reply.text for reply in answers(spec, requests)] == expected


@pytest.mark.usefixtures("reading")
def test_a_sequence_to_sequence_model_answers_as_generate_does(t5: Path, t5_spec: ModelSpec) -> None:
    requests = requests_for(t5_spec)
    loaded = load_model(t5_spec)
    assert loaded.is_encoder_decoder
    expected = [plain_tokens(t5, request, loaded) for request in requests]
    replies = answers(t5_spec, requests)
    assert [reply.text for reply in replies] == expected
    assert [reply.usage.output_tokens for reply in replies] == [each.sampling.max_tokens for each in requests]


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("name", ["spec", "t5_spec"])
@pytest.mark.parametrize("values", [{"repetition_penalty": 1.4}, {"logprobs": 2}, {"stop": ("e",)}, {}])
def test_a_sampled_row_is_the_same_alone_and_in_any_batch(
    name: str, values: dict, request: pytest.FixtureRequest
) -> None:
    spec: ModelSpec = request.getfixturevalue(name)
    requests = requests_for(spec, temperature=1.2, **values)
    together = answers(spec, requests)
    alone = [answers(spec, [each])[0] for each in requests]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert [reply.finish_reason for reply in together] == [reply.finish_reason for reply in alone]
    assert [reply.usage for reply in together] == [reply.usage for reply in alone]


def test_what_counts_steps_of_a_batch_keeps_the_batch_together(tiny: Path, tmp_path: Path, spec: ModelSpec) -> None:
    """A penalty that grows from the third token on, in the model's own generation config."""
    folder = make_model("llama", tiny, tmp_path / "model")
    path = folder / "generation_config.json"
    growing = {"exponential_decay_length_penalty": [3, 1.9]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **growing}))
    other = ModelSpec(provider="transformers", model=str(folder), dtype="float32", batch_size=3, api="completions")
    requests = requests_for(other)
    loaded = load_model(other)
    expected = [plain_tokens(folder, request, loaded) for request in requests]
    assert [reply.text for reply in answers(other, requests)] == expected


def run_with_memory(spec: ModelSpec, requests: list[Request], tokens: int) -> tuple[list[object], list[int]]:
    """Answers on a machine whose memory holds so many tokens of a batch; returns replies and sizes of batches."""
    loaded = load_model(spec)
    sizes: list[int] = []

    def watch(model: torch.nn.Module, _: tuple, given: dict) -> None:
        past = given["past_key_values"].get_seq_length() if given.get("past_key_values") is not None else 0
        rows, new = given["input_ids"].shape
        sizes.append(rows)
        if rows * (past + new) > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory")

    loaded.model.register_forward_pre_hook(watch, with_kwargs=True)
    model = LocalModel(spec)
    model._loaded = loaded
    replies = dict(model.answer(requests))
    return [replies[index] for index in range(len(requests))], sizes


@pytest.mark.usefixtures("reading")
def test_memory_that_runs_out_at_any_moment_changes_no_reply(spec: ModelSpec) -> None:
    requests = requests_for(spec, count=12, temperature=1.0)
    expected = [reply.text for reply in answers(spec, requests)]
    for tokens in (230, 100):
        replies, sizes = run_with_memory(spec, requests, tokens)
        assert [reply.text for reply in replies if isinstance(reply, Response)] == expected
        assert max(sizes) == 4


@pytest.mark.parametrize(
    ("lengths", "parts"),
    [
        ([], []),
        ([300], [1]),
        ([300, 299, 298], [3]),
        ([300, 290, 100, 99, 98, 60], [2, 4]),
        ([90, 20, 20], [1, 2]),
        ([80, 20], [2]),
        ([1000] * 5, [1, 2, 2]),
        ([9000, 9000, 10], [1, 1, 1]),
    ],
)
def test_prompts_are_read_in_the_passes_that_cost_least(lengths: list[int], parts: list[int]) -> None:
    found = passes.in_passes(lengths)
    assert [part.stop - part.start for part in found] == parts
    assert [length for part in found for length in lengths[part]] == lengths


def test_prompts_of_other_lengths_are_read_in_passes_of_their_own(spec: ModelSpec) -> None:
    long, short = "the of and to a in is you that it " * 10, "the of"
    requests = [fixed_request(spec, text, max_tokens=4) for text in (short, long, short, long)]
    alone = [answers(spec, [request])[0].text for request in requests]
    replies, sizes = run_with_memory(spec, requests, 10**6)
    assert sizes == [2, 2, 4, 4, 4]
    assert [reply.text for reply in replies] == alone


def test_rows_that_fit_into_no_memory_are_rejected_one_by_one(spec: ModelSpec) -> None:
    requests = requests_for(spec, count=10)
    expected = answers(spec, requests)
    replies, _ = run_with_memory(spec, requests, 45)
    rejected = [reply for reply in replies if isinstance(reply, RequestRejected)]
    assert 0 < len(rejected) < 10
    assert "does not fit into memory" in str(rejected[0])
    for reply, alone in zip(replies, expected, strict=True):
        assert isinstance(reply, RequestRejected) or reply.text == alone.text


def test_places_of_finished_rows_are_taken_by_waiting_ones(spec: ModelSpec) -> None:
    loaded = load_model(spec)
    limits = [2, 30, 30, 30, *[4] * 6]
    requests = [fixed_request(spec, "the of", max_tokens=limit, repetition_penalty=1.1) for limit in limits]
    rows = [make_row(n, request, [5 + n, 6, 7], loaded, None) for n, request in enumerate(requests)]
    decoder = Decoder(loaded, sampling_group(requests[0].sampling))
    batches = answering.BatchLimits(4)
    done = [row.index for row, _ in in_batches(rows, batches, decoder, lambda row: len(row.prompt))]
    # the six short ones go through the place of the first, while the three long ones are still being written
    assert done == [0, 4, 5, 6, 7, 8, 9, 1, 2, 3]
    assert [len(row.new) for row in rows] == limits
    assert isinstance(make_reply(rows[1], loaded), Response)
