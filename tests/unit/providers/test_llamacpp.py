from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamsmk.errors import MissingExtra, RequestRejected, SettingsError
from dreamsmk.providers.llamacpp import LlamaCppProvider
from dreamsmk.providers.transformers import TransformersProvider
from dreamsmk.requests import Message, Response
from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_model
from tests.tiny.asking import ask_local, local_request
from tests.tiny.gguf import write_gguf

has_llama = importlib.util.find_spec("llama_cpp") is not None
needs_llama = pytest.mark.skipif(not has_llama, reason="llama-cpp-python is not installed: it is built from source")

PROMPTS = ["the of and", "it", "they were all there with him", "so be it"]
WARM = {"temperature": 1.5, "max_tokens": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def spec(folder: Path) -> ModelSpec:
    # one thread: with two, tiny work on busy cores is mostly waiting
    model = write_gguf(folder.parent / "tiny.gguf", folder)
    return ModelSpec(provider="llamacpp", model=str(model), options={"n_threads": 1})


@pytest.fixture(scope="module")
def provider(spec: ModelSpec) -> Iterator[LlamaCppProvider]:
    opened = LlamaCppProvider(spec)
    yield opened
    opened.close()


def answer(spec: ModelSpec, prompt: str = "the of and", **values) -> Response:
    opened = LlamaCppProvider(spec)
    try:
        return ask_local(opened, local_request(spec, prompt, **values))[0]
    finally:
        opened.close()


@needs_llama
class TestReplies:
    def test_greedy_replies_are_those_of_transformers(
        self, provider: LlamaCppProvider, spec: ModelSpec, folder: Path
    ) -> None:
        other = ModelSpec(provider="transformers", model=str(folder), dtype="float32", device="cpu")
        found = ask_local(provider, *(local_request(spec, prompt, max_tokens=6) for prompt in PROMPTS))
        expected = ask_local(
            TransformersProvider(other), *(local_request(other, prompt, max_tokens=6) for prompt in PROMPTS)
        )
        assert [reply.text for reply in found] == [reply.text for reply in expected]
        assert [reply.usage for reply in found] == [reply.usage for reply in expected]

    def test_a_reply_depends_on_its_request_alone(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        requests = [local_request(spec, prompt, **WARM) for prompt in [*PROMPTS, "the of and it"]]
        there = [reply.text for reply in ask_local(provider, *requests)]
        back = [reply.text for reply in ask_local(provider, *requests[::-1])]
        assert there == back[::-1]
        assert len(set(there)) == len(there)

    def test_samples_and_seeds_differ(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        requests = [local_request(spec, sample=n, **WARM) for n in range(3)] + [local_request(spec, seed=5, **WARM)]
        assert len({reply.text for reply in ask_local(provider, *requests)}) == 4

    def test_what_is_not_given_is_off(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        # with llama.cpp's own top_k of 40, so many samples would never leave the 40 likeliest tokens
        requests = [local_request(spec, sample=n, temperature=50.0, max_tokens=1, logprobs=40) for n in range(20)]
        told = [reply.logprobs[0] for reply in ask_local(provider, *requests) if reply.logprobs]
        assert any(one["token"] not in [top["token"] for top in one["top"]] for one in told)

    def test_one_likely_token_is_the_greedy_one(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        greedy, narrow = ask_local(
            provider, local_request(spec, max_tokens=8), local_request(spec, temperature=2.0, top_k=1, max_tokens=8)
        )
        assert narrow.text == greedy.text

    def test_a_penalty_reaches_the_model(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        for name, value in (("presence_penalty", 2.0), ("frequency_penalty", 2.0), ("repetition_penalty", 1.9)):
            plain, fined = ask_local(
                provider, local_request(spec, max_tokens=60), local_request(spec, max_tokens=60, **{name: value})
            )
            assert plain.text != fined.text

    def test_a_stop_text_cuts_exactly(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        (plain,) = ask_local(provider, local_request(spec, max_tokens=24))
        found = re.search("[ -~]{3}", plain.text[3:])
        assert found is not None
        (cut,) = ask_local(provider, local_request(spec, max_tokens=24, stop=(found.group(),)))
        assert cut.text == plain.text[: plain.text.index(found.group())]
        assert cut.finish_reason == "stop"
        assert cut.usage.output_tokens < plain.usage.output_tokens

    def test_a_limit_of_tokens_is_kept_and_told(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        (reply,) = ask_local(provider, local_request(spec, max_tokens=3))
        assert (reply.usage.output_tokens, reply.finish_reason) == (3, "length")

    def test_a_schema_holds_the_reply(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        schema = {
            "type": "object",
            "properties": {"mood": {"enum": ["good", "bad"]}, "sure": {"type": "boolean"}},
            "required": ["mood", "sure"],
            "additionalProperties": False,
        }
        for values in ({}, {"temperature": 2.0}):
            (reply,) = ask_local(provider, local_request(spec, schema=schema, max_tokens=200, **values))
            assert set(json.loads(reply.text)) == {"mood", "sure"}
            assert reply.finish_reason == "stop"

    def test_a_schema_that_it_cannot_hold_to_is_rejected(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        with pytest.raises(RequestRejected, match="cannot hold to this JSON Schema"):
            ask_local(provider, local_request(spec, schema={"type": "string", "pattern": "no anchors"}))

    def test_log_probabilities_are_those_of_the_model(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        (reply,) = ask_local(provider, local_request(spec, max_tokens=5, logprobs=3))
        assert reply.logprobs is not None
        assert "".join(one["token"] for one in reply.logprobs).replace("�", "") == reply.text.replace("�", "")
        for one in reply.logprobs:
            assert one["top"][0] == {"token": one["token"], "logprob": one["logprob"]}
            assert 0 > one["top"][0]["logprob"] >= one["top"][1]["logprob"] >= one["top"][2]["logprob"]

    def test_the_prompt_is_what_the_template_makes(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        told = answer(dataclasses.replace(spec, chat_template="{{ messages[0]['content'] }}!"), "the of", max_tokens=1)
        (own,) = ask_local(provider, local_request(spec, "the of", max_tokens=1))
        assert told.usage.input_tokens < own.usage.input_tokens

    def test_the_beginning_of_a_reply_is_gone_on_with(self, provider: LlamaCppProvider, spec: ModelSpec) -> None:
        (whole,) = ask_local(provider, local_request(spec, max_tokens=1))
        request = local_request(spec, max_tokens=1)
        begun = dataclasses.replace(request, messages=(*request.messages, Message("assistant", "the of")))
        (gone_on,) = ask_local(provider, begun)
        assert gone_on.usage.input_tokens > whole.usage.input_tokens

    def test_completions_take_the_text_as_it_is(self, spec: ModelSpec) -> None:
        reply = answer(dataclasses.replace(spec, api="completions"), "the of and", max_tokens=2)
        assert reply.usage.input_tokens <= 6

    def test_a_day_in_a_template_is_always_the_same(self, spec: ModelSpec) -> None:
        dated = dataclasses.replace(spec, chat_template="{{ strftime_now('%Y') }}{{ messages[0]['content'] }}")
        fixed = dataclasses.replace(spec, chat_template="2024{{ messages[0]['content'] }}")
        assert answer(dated, max_tokens=8).text == answer(fixed, max_tokens=8).text

    def test_a_prompt_that_fills_the_context_is_rejected_and_the_others_are_answered(self, spec: ModelSpec) -> None:
        small = LlamaCppProvider(dataclasses.replace(spec, options={"n_ctx": 64}))
        replies = small.generate([local_request(spec, "the " * 100), local_request(spec)])
        index, reply = next(replies)
        assert index == 1
        assert reply.finish_reason in ("stop", "length")
        assert reply.usage.input_tokens + reply.usage.output_tokens <= 64
        with pytest.raises(RequestRejected, match="context is 64 tokens"):
            next(replies)
        small.close()

    def test_no_socket_is_opened_for_a_file(self, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a socket was opened")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        assert answer(spec, max_tokens=1).text is not None


@needs_llama
class TestLoading:
    def test_a_folder_with_one_model_is_enough(self, spec: ModelSpec) -> None:
        folder = dataclasses.replace(spec, model=str(Path(spec.model).parent))
        assert answer(folder, max_tokens=4).text == answer(spec, max_tokens=4).text

    def test_a_context_above_the_files_own_is_rejected(self, spec: ModelSpec) -> None:
        with pytest.raises(RequestRejected, match="context is 512 tokens, and 'n_ctx' is 513"):
            answer(dataclasses.replace(spec, options={"n_ctx": 513}))

    def test_a_file_without_a_template_says_so(self, folder: Path, tmp_path: Path) -> None:
        bare = ModelSpec(provider="llamacpp", model=str(write_gguf(tmp_path / "bare.gguf", folder, has_template=False)))
        with pytest.raises(RequestRejected, match="has no chat template"):
            answer(bare)
        assert answer(dataclasses.replace(bare, api="completions"), max_tokens=1).usage.output_tokens == 1

    def test_a_damaged_file_and_a_missing_adapter_are_rejected(self, spec: ModelSpec, tmp_path: Path) -> None:
        (tmp_path / "damaged.gguf").write_bytes(b"GGUF, but no more")
        with pytest.raises(RequestRejected, match="cannot be loaded"):
            answer(dataclasses.replace(spec, model=str(tmp_path / "damaged.gguf")))
        with pytest.raises(RequestRejected, match="adapter file"):
            answer(dataclasses.replace(spec, adapter=str(tmp_path / "nowhere.gguf")))


class TestFiles:
    def test_a_file_that_is_not_there_is_rejected(self, spec: ModelSpec, tmp_path: Path) -> None:
        from dreamsmk.providers.llamacpp_files import find_file

        with pytest.raises(RequestRejected, match="is not there"):
            find_file(dataclasses.replace(spec, model=str(tmp_path / "nowhere.gguf")))

    def test_one_of_several_files_must_be_named(self, spec: ModelSpec, tmp_path: Path) -> None:
        from dreamsmk.providers.llamacpp_files import find_file

        for name in ("a.gguf", "b-00001-of-00002.gguf", "b-00002-of-00002.gguf"):
            (tmp_path / name).touch()
        folder = dataclasses.replace(spec, model=str(tmp_path))
        with pytest.raises(RequestRejected, match="has 2 GGUF models"):
            find_file(folder)
        assert find_file(dataclasses.replace(folder, options={"file": "a.gguf"})).path == tmp_path / "a.gguf"
        with pytest.raises(RequestRejected, match=r"no file 'c\.gguf'"):
            find_file(dataclasses.replace(folder, options={"file": "c.gguf"}))
        (tmp_path / "a.gguf").unlink()
        assert find_file(folder).path == tmp_path / "b-00001-of-00002.gguf"

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"model": "m-00001-of-00003.gguf"}, "one of 3 files"),
            ({"model": "m.gguf", "options": {"file": "m.gguf"}}, "a file already"),
            ({"model": "org/name"}, "is no GGUF file"),
            ({"options": {"n_ctx": 0}}, "at least 1"),
            ({"options": {"n_ctx": True}}, "whole number"),
            ({"options": {"nctx": 1}}, "did you mean 'n_ctx'"),
            ({"dtype": "float16"}, "takes no 'dtype'"),
            ({"api": "responses"}, "has no api"),
        ],
    )
    def test_wrong_specs_are_found_before_anything_is_loaded(self, spec: ModelSpec, values: dict, words: str) -> None:
        with pytest.raises(SettingsError, match=words):
            LlamaCppProvider.check(dataclasses.replace(spec, **values))

    @pytest.mark.skipif(has_llama, reason="llama-cpp-python is installed")
    def test_a_missing_package_is_named_with_its_extra(self, spec: ModelSpec) -> None:
        with pytest.raises(MissingExtra, match=r"dreamsmk\[llamacpp\]"):
            LlamaCppProvider.check(spec)
