from __future__ import annotations

import dataclasses
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.sentence_transformers import SentenceTransformersProvider
from dreamsmk.requests import Message
from dreamsmk.settings import ModelSpec
from tests.tiny.asking import ask_local, local_request
from tests.tiny.encoders import make_tiny_classifier, make_tiny_encoder

TEXTS = ["the of and", "it", "they were all there with him", "no", "in the one", "so be it", "the " * 12, "you are"]
PROMPTS = {"query": "what is ", "document": "this is "}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("models") / "encoder", prompts=PROMPTS)


@pytest.fixture(scope="module")
def spec(folder: Path) -> ModelSpec:
    return ModelSpec(provider="sentence_transformers", model=str(folder), device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def provider(spec: ModelSpec) -> SentenceTransformersProvider:
    return SentenceTransformersProvider(spec)


def changed(spec: ModelSpec, **values) -> SentenceTransformersProvider:
    return SentenceTransformersProvider(dataclasses.replace(spec, **values))


def vectors(provider: SentenceTransformersProvider, *texts: str) -> np.ndarray:
    requests = [local_request(provider.spec, text, wanted="embedding") for text in texts]
    return np.stack([reply.vector() for reply in ask_local(provider, *requests)])


def plain(folder: Path, *texts: str, **values) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(list(texts), show_progress_bar=False, **values)


def test_vectors_are_those_of_sentence_transformers(provider: SentenceTransformersProvider, folder: Path) -> None:
    found = vectors(provider, *TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain(folder, *TEXTS), rtol=1e-5, atol=1e-6)


def test_a_vector_is_the_same_in_any_batch_to_a_millionth(
    spec: ModelSpec, provider: SentenceTransformersProvider
) -> None:
    together = vectors(provider, *TEXTS)
    alone = vectors(changed(spec, batch_size=1), *TEXTS)
    assert np.abs(together - alone).max() <= 1e-6 * np.linalg.norm(alone, axis=1).max()
    assert (vectors(provider, *TEXTS) == together).all()


def test_a_reply_has_its_tokens_and_no_text(provider: SentenceTransformersProvider, spec: ModelSpec) -> None:
    (reply,) = ask_local(provider, local_request(spec, "the of and", wanted="embedding"))
    assert (reply.text, reply.finish_reason, reply.usage.input_tokens, reply.usage.output_tokens) == ("", "stop", 5, 0)
    assert reply.system_fingerprint is not None
    assert "float32, cpu" in reply.system_fingerprint


def test_a_text_that_was_cut_says_so(provider: SentenceTransformersProvider, spec: ModelSpec) -> None:
    fits, cut = ("the " * 14, "the " * 15)
    replies = ask_local(provider, *(local_request(spec, text, wanted="embedding") for text in (fits, cut)))
    assert [reply.finish_reason for reply in replies] == ["stop", "length"]
    assert [reply.usage.input_tokens for reply in replies] == [16, 16]


def test_normalized_vectors_have_the_length_one(spec: ModelSpec, provider: SentenceTransformersProvider) -> None:
    normalized = vectors(changed(spec, options={"normalize": True}), *TEXTS)
    np.testing.assert_allclose(np.linalg.norm(normalized, axis=1), 1, rtol=1e-6)
    assert np.linalg.norm(vectors(provider, *TEXTS), axis=1).max() > 1.1


def test_shortened_vectors_are_the_first_numbers(spec: ModelSpec, provider: SentenceTransformersProvider) -> None:
    short = vectors(changed(spec, options={"truncate_dim": 5}), *TEXTS)
    np.testing.assert_allclose(short, vectors(provider, *TEXTS)[:, :5], rtol=1e-5, atol=1e-6)


def test_a_prompt_stands_before_the_text_by_its_words_or_its_name(
    spec: ModelSpec, provider: SentenceTransformersProvider
) -> None:
    written = changed(spec, options={"prompt": "what is "})
    named = changed(spec, options={"prompt_name": "query"})
    assert (vectors(written, "it") == vectors(named, "it")).all()
    np.testing.assert_allclose(vectors(named, "it"), vectors(provider, "what is it"), rtol=1e-5, atol=1e-6)
    (reply,) = ask_local(named, local_request(spec, "it", wanted="embedding"))
    assert reply.usage.input_tokens == 5


def test_a_lower_limit_of_tokens_cuts_sooner(spec: ModelSpec, provider: SentenceTransformersProvider) -> None:
    short = changed(spec, options={"max_seq_length": 4})
    np.testing.assert_allclose(vectors(short, "the of and"), vectors(provider, "the of"), rtol=1e-5, atol=1e-6)
    with pytest.raises(RequestRejected, match="reads 16 tokens"):
        vectors(changed(spec, options={"max_seq_length": 17}), "it")


def test_a_number_format_is_kept(spec: ModelSpec) -> None:
    (reply,) = ask_local(changed(spec, dtype="bfloat16"), local_request(spec, "it", wanted="embedding"))
    assert "bfloat16" in str(reply.system_fingerprint)
    assert reply.vector().dtype == np.float32


def test_no_socket_is_opened_for_a_folder(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert vectors(SentenceTransformersProvider(spec), "it").shape == (1, 32)


def test_what_it_cannot_read_is_rejected_after_the_others_were_answered(
    provider: SentenceTransformersProvider, spec: ModelSpec
) -> None:
    good = local_request(spec, "it", wanted="embedding")
    two = dataclasses.replace(good, messages=(Message("user", "the"), Message("user", "of")))
    text = dataclasses.replace(good, wanted=None)
    replies = provider.generate([two, good, text])
    assert next(replies)[0] == 1
    with pytest.raises(RequestRejected, match="one message"):
        next(replies)


@pytest.mark.parametrize(
    ("values", "words"), [({"system": "Be brief."}, "role 'system'"), ({"temperature": 1.0}, "temperature")]
)
def test_what_an_embedding_cannot_honour_is_rejected(spec: ModelSpec, values: dict, words: str) -> None:
    with pytest.raises(RequestRejected, match=words):
        ask_local(SentenceTransformersProvider(spec), local_request(spec, wanted="embedding", **values))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"normalise": True}, "normalize"),
        ({"normalize": "yes"}, "true or false"),
        ({"truncate_dim": 0}, "at least 1"),
        ({"truncate_dim": True}, "whole number"),
        ({"prompt": "a", "prompt_name": "b"}, "both"),
    ],
)
def test_wrong_options_are_found_before_anything_is_loaded(spec: ModelSpec, options: dict, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        SentenceTransformersProvider.check(dataclasses.replace(spec, options=options))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"truncate_dim": 33}, "have 32 numbers"), ({"prompt_name": "quary"}, "did you mean 'query'")],
)
def test_options_that_the_model_does_not_have_are_rejected(spec: ModelSpec, options: dict, words: str) -> None:
    with pytest.raises(RequestRejected, match=words):
        vectors(changed(spec, options=options), "it")


def test_a_folder_that_is_not_there_or_no_embedding_model_is_rejected(spec: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(RequestRejected, match="is not there"):
        vectors(changed(spec, model=str(tmp_path / "nowhere")), "it")
    other = make_tiny_classifier(tmp_path / "classifier")
    with pytest.raises(RequestRejected, match=r"no modules\.json"):
        vectors(changed(spec, model=str(other)), "it")


def test_a_damaged_model_is_rejected(spec: ModelSpec, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "damaged")
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RequestRejected, match="cannot be loaded"):
        vectors(changed(spec, model=str(tmp_path / "damaged")), "it")


def test_a_closed_provider_can_be_asked_again(spec: ModelSpec) -> None:
    provider = SentenceTransformersProvider(spec)
    first = vectors(provider, "it")
    provider.close()
    assert (vectors(provider, "it") == first).all()
