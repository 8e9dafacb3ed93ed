from __future__ import annotations

import dataclasses
import functools
import json
import re
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForSequenceClassification
from transformers.utils import logging

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.providers.transformers import TransformersProvider
from dreamsmk.requests import Message, ModelIdentity, Request, Sampling
from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_model
from tests.wire.asking import ask, make_request

PROMPTS = ["the of and", "it", "a " * 40, "they were all there with him", "no", "x" * 70, "in the one", "so be it"]
WARM = {"temperature": 1.5, "max_tokens": 24}


@pytest.fixture(scope="module")
def spec(tiny: Path) -> ModelSpec:
    return ModelSpec(provider="transformers", model=str(tiny), dtype="float32", device="cpu", batch_size=8)


@pytest.fixture(scope="module")
def provider(spec: ModelSpec) -> TransformersProvider:
    return TransformersProvider(spec)


def changed(spec: ModelSpec, **values) -> TransformersProvider:
    return TransformersProvider(dataclasses.replace(spec, **values))


def texts(provider: TransformersProvider, requests: Sequence[Request]) -> list[str]:
    return [reply.text for reply in ask(provider, *requests)]


@functools.cache
def load_plainly(folder: Path) -> tuple:
    with quietly():
        return AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)


def plain_tokens(folder: Path, prompt: str, max_tokens: int, **values) -> list[int]:
    tokenizer, model = load_plainly(folder)
    with quietly():
        text = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        output = model.generate(ids, do_sample=False, max_new_tokens=max_tokens, **values)
    return output[0, ids.shape[1] :].tolist()


def plain_greedy(folder: Path, prompt: str, max_tokens: int, **values) -> str:
    tokenizer, _ = load_plainly(folder)
    return tokenizer.decode(plain_tokens(folder, prompt, max_tokens, **values), skip_special_tokens=True)


def test_greedy_replies_are_those_of_plain_generate(
    tiny: Path, provider: TransformersProvider, spec: ModelSpec
) -> None:
    replies = texts(provider, [make_request(spec, prompt, max_tokens=12) for prompt in PROMPTS])
    assert replies == [plain_greedy(tiny, prompt, 12) for prompt in PROMPTS]


def test_a_repetition_penalty_is_that_of_plain_generate_in_a_padded_batch_too(
    tiny: Path, provider: TransformersProvider, spec: ModelSpec
) -> None:
    requests = [make_request(spec, prompt, max_tokens=12, repetition_penalty=1.3) for prompt in PROMPTS]
    expected = [plain_greedy(tiny, prompt, 12, repetition_penalty=1.3) for prompt in PROMPTS]
    assert texts(provider, requests) == expected
    assert expected != [plain_greedy(tiny, prompt, 12) for prompt in PROMPTS]


@pytest.mark.parametrize("values", [{}, {"top_k": 20}, {"top_p": 0.8, "min_p": 0.01}, {"repetition_penalty": 1.2}])
def test_a_sampled_row_is_the_same_alone_and_in_any_batch(
    provider: TransformersProvider, spec: ModelSpec, values: dict
) -> None:
    requests = [make_request(spec, prompt, **WARM, **values) for prompt in PROMPTS]
    together = texts(provider, requests)
    assert together == [texts(provider, [request])[0] for request in requests]
    assert together == texts(provider, requests[::-1])[::-1]
    assert len(set(together)) == len(PROMPTS)


def test_samples_and_seeds_differ_and_come_again(provider: TransformersProvider, spec: ModelSpec) -> None:
    requests = [make_request(spec, sample=n, **WARM) for n in range(3)] + [make_request(spec, seed=5, **WARM)]
    replies = texts(provider, requests)
    assert len(set(replies)) == 4
    assert texts(TransformersProvider(spec), requests) == replies


def test_rows_of_one_call_may_ask_for_different_things(provider: TransformersProvider, spec: ModelSpec) -> None:
    requests = [
        make_request(spec, "the", max_tokens=3),
        make_request(spec, "the", max_tokens=9),
        make_request(spec, "the", temperature=2.0, max_tokens=5),
        make_request(spec, "the", temperature=2.0, top_k=2, max_tokens=7),
    ]
    replies = ask(provider, *requests)
    assert [reply.usage.output_tokens for reply in replies] == [3, 9, 5, 7]
    assert [reply.text for reply in replies] == [texts(provider, [request])[0] for request in requests]


def test_a_stop_text_cuts_the_reply_exactly(provider: TransformersProvider, spec: ModelSpec) -> None:
    # another request has another key and so other noise: only greedy replies can be compared
    greedy = ask(provider, make_request(spec, max_tokens=24))[0]
    found = re.search("[ -~]{3}", greedy.text[3:])
    assert found is not None
    stop = found.group()
    cut = ask(provider, make_request(spec, max_tokens=24, stop=(stop,)))[0]
    assert cut.text == greedy.text[: greedy.text.index(stop)]
    assert cut.finish_reason == "stop"
    assert cut.usage.output_tokens < greedy.usage.output_tokens


def test_a_reply_that_meets_its_limit_ends_by_length(provider: TransformersProvider, spec: ModelSpec) -> None:
    reply = ask(provider, make_request(spec, max_tokens=4))[0]
    assert (reply.finish_reason, reply.usage.output_tokens) == ("length", 4)


def test_an_end_token_of_the_generation_config_stops_a_reply(tiny: Path, tmp_path: Path, spec: ModelSpec) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    ids = plain_tokens(tiny, "the", 6)
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": [2, ids[0]]}))
    reply = ask(changed(spec, model=str(folder)), make_request(spec, "the", max_tokens=6))[0]
    assert (reply.text, reply.finish_reason, reply.usage.output_tokens) == ("", "stop", 1)


def test_without_a_limit_a_reply_may_fill_the_context(tmp_path: Path, spec: ModelSpec) -> None:
    folder = make_tiny_model(tmp_path / "short", context=64)
    reply = ask(changed(spec, model=str(folder)), make_request(spec, "it"))[0]
    assert reply.usage.input_tokens + reply.usage.output_tokens == 64
    assert reply.finish_reason == "length"


def test_a_prompt_longer_than_the_context_is_rejected_after_the_others_were_answered(
    tmp_path: Path, spec: ModelSpec
) -> None:
    folder = make_tiny_model(tmp_path / "short", context=64)
    requests = [make_request(spec, "word " * 200), make_request(spec, "it", max_tokens=3)]
    answered = []
    with pytest.raises(RequestRejected, match=r"\d+ tokens, and the model's context is 64 tokens"):
        answered.extend(index for index, _ in changed(spec, model=str(folder)).generate(requests))
    assert answered == [1]


def test_another_chat_template_changes_the_prompt(provider: TransformersProvider, spec: ModelSpec) -> None:
    request = make_request(spec, "the of", max_tokens=3)
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    plain = ask(changed(spec, chat_template=template), request)[0]
    assert plain.usage.input_tokens < ask(provider, request)[0].usage.input_tokens
    assert plain == dataclasses.replace(
        ask(changed(spec, options={"chat": False}), request)[0],
        created_at=plain.created_at,
        latency_seconds=plain.latency_seconds,
    )


def test_values_for_the_chat_template_reach_it(spec: ModelSpec) -> None:
    template = "{% if loud %}{{ 'very ' * 9 }}{% endif %}{{ messages[-1]['content'] }}"
    counts = [
        ask(changed(spec, chat_template=template, options=options), make_request(spec, max_tokens=1))[
            0
        ].usage.input_tokens
        for options in ({}, {"chat_template_kwargs": {"loud": True}})
    ]
    assert counts[0] < counts[1]


def test_a_template_that_asks_for_the_date_gets_the_same_one_always(spec: ModelSpec) -> None:
    request = make_request(spec, max_tokens=8)
    dated, fixed = (
        changed(spec, chat_template=day + "{{ messages[-1]['content'] }}")
        for day in ("{{ strftime_now('%d %b %Y') }}", "26 Jul 2024")
    )
    assert texts(dated, [request]) == texts(fixed, [request])


def test_messages_that_the_template_refuses_are_rejected_with_its_words(spec: ModelSpec) -> None:
    template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(RequestRejected, match="System role not supported"):
        ask(changed(spec, chat_template=template), make_request(spec))


def test_a_tokenizer_without_a_template_says_what_to_do(tiny: Path, tmp_path: Path, spec: ModelSpec) -> None:
    folder = tmp_path / "base"
    shutil.copytree(tiny, folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(RequestRejected, match="api: completions"):
        ask(changed(spec, model=str(folder)), make_request(spec))
    assert ask(changed(spec, model=str(folder), options={"chat": False}), make_request(spec, max_tokens=2))


def test_a_last_message_of_the_assistant_is_gone_on_with(provider: TransformersProvider, spec: ModelSpec) -> None:
    identity = ModelIdentity("transformers", "m")
    begun = (Message("user", "the of"), Message("assistant", "and the"))
    counts = [
        ask(provider, Request(identity, messages, Sampling(max_tokens=2)))[0].usage.input_tokens
        for messages in (begun[:1], begun)
    ]
    assert counts[0] < counts[1] <= counts[0] + 3


def test_an_adapter_changes_replies(tiny_adapter: Path, provider: TransformersProvider, spec: ModelSpec) -> None:
    request = make_request(spec, "the of and", max_tokens=16)
    assert texts(changed(spec, adapter=str(tiny_adapter)), [request]) != texts(provider, [request])


def test_an_adapter_in_the_place_of_a_model_is_refused(tiny_adapter: Path, spec: ModelSpec) -> None:
    with pytest.raises(RequestRejected, match="is an adapter"):
        ask(changed(spec, model=str(tiny_adapter)), make_request(spec))


def test_a_model_that_lacks_weights_is_refused(tiny: Path, tmp_path: Path, spec: ModelSpec) -> None:
    folder = tmp_path / "judge"
    shutil.copytree(tiny, folder)
    with quietly():
        judge = LlamaForSequenceClassification.from_pretrained(folder)
        judge.config.tie_word_embeddings = False
        judge.save_pretrained(folder)
    with pytest.raises(RequestRejected, match="lacks 1 weights"):
        ask(changed(spec, model=str(folder)), make_request(spec))


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_folder_without_a_usable_model_is_rejected_in_three_lines(
    tiny: Path, tmp_path: Path, spec: ModelSpec, damage: str
) -> None:
    folder = tmp_path / "model"
    if damage == "cut":
        shutil.copytree(tiny, folder)
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:100])
    with pytest.raises(RequestRejected, match="cannot be loaded") as caught:
        ask(changed(spec, model=str(folder)), make_request(spec))
    assert str(caught.value).count("\n") <= 2


def test_quantization_without_a_gpu_says_so(spec: ModelSpec) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SettingsError, match="bnb-4bit"):
        TransformersProvider.check(dataclasses.replace(spec, quantization="bnb-4bit"))
    with pytest.raises(SettingsError, match="needs a CUDA GPU"):
        ask(changed(spec, quantization="bnb-8bit"), make_request(spec))
    with pytest.raises(SettingsError, match="no quantization 'awq'"):
        TransformersProvider.check(dataclasses.replace(spec, quantization="awq"))


@pytest.mark.parametrize(
    "values",
    [
        {"base_url": "http://h/v1"},
        {"presence_penalty": 1.0},
        {"options": {"chta": False}},
        {"api": "responses"},
        {"api": "chat", "options": {"chat": False}},
        {"api": "completions", "options": {"chat": True}},
    ],
)
def test_what_a_local_model_does_not_take_is_refused(spec: ModelSpec, values: dict) -> None:
    with pytest.raises(SettingsError):
        TransformersProvider.check(dataclasses.replace(spec, **values))


def test_the_dtype_is_that_of_the_spec(spec: ModelSpec) -> None:
    reply = ask(changed(spec, dtype="bfloat16"), make_request(spec, max_tokens=2))[0]
    assert "bfloat16" in reply.system_fingerprint


def test_a_local_model_names_no_path(tiny: Path, provider: TransformersProvider) -> None:
    request = Request(ModelIdentity("transformers", "tree-sha256:ab"), (Message("user", "x"),), Sampling(max_tokens=1))
    assert ask(provider, request)[0].model == "tree-sha256:ab"


def test_libraries_are_as_loud_after_a_call_as_before(spec: ModelSpec, capfd: pytest.CaptureFixture[str]) -> None:
    before = (logging.get_verbosity(), logging.is_progress_bar_enabled(), list(warnings.filters))
    fresh = TransformersProvider(spec)
    ask(fresh, make_request(spec, max_tokens=1))
    fresh.close()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled(), list(warnings.filters)) == before
    assert capfd.readouterr() == ("", "")


def test_a_batch_of_none_loads_no_model() -> None:
    assert list(TransformersProvider(ModelSpec(provider="transformers", model="/nowhere")).generate([])) == []
