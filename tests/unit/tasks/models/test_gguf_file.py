from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest
import torch

from dreamsmk.errors import SettingsError
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.tasks.models.gguf_tokenizer import RULES
from tests.tiny import make_tiny_model, make_tiny_t5
from tests.unit.tasks.models.bench import Bench

TEXTS = ("The quick brown fox; it isn't 12345 é 日本\n\n  x", "the of and")
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "pad_token_id": 3,
}


@pytest.fixture(scope="session")
def llama(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def tokenizer_of(folder: Path, **given):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, **given)


def make_other(folder: Path, llama: Path, architecture: str, **changes) -> Path:
    """Writes a model of another architecture with the tokenizer of the tiny one, and more embeddings than tokens."""
    import transformers

    tokenizer = tokenizer_of(llama)
    config = getattr(transformers, f"{architecture}Config")(**SIZES, vocab_size=len(tokenizer) + 8, **changes)
    model = transformers.AutoModelForCausalLM.from_config(config)
    for name, weights in model.named_parameters():
        if "bias" in name or "norm" in name:
            torch.nn.init.uniform_(weights.data, 0.5, 1.5)
    with quietly():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def logits(folder: Path, ids, **given) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    with quietly(), contextlib.redirect_stderr(io.StringIO()), torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **given).eval()(ids).logits


@pytest.mark.parametrize(
    ("method", "most", "share"), [("gguf-f32", 1e-5, 1.1), ("gguf-f16", 0.005, 0.6), ("gguf-q8_0", 0.1, 0.35)]
)
def test_the_file_answers_as_the_model_and_splits_text_as_it_does(bench, llama, method, most, share):
    facts = bench.quantize(llama, method)
    assert bench.names() == {"model.gguf"}
    at = {"gguf_file": "model.gguf"}
    tokenizer = tokenizer_of(llama)
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        assert tokenizer_of(bench.output, **at)(text)["input_ids"] == ids[0].tolist()
    expected = logits(llama, ids)
    error = (logits(bench.output, ids, **at) - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert error < most
    assert facts["weights_after_bytes"] < share * facts["weights_before_bytes"]


@pytest.mark.parametrize("architecture", ["Llama", "Qwen2", "Qwen3"])
def test_llama_cpp_answers_as_transformers_does(bench, llama, architecture, tmp_path):
    llama_cpp = pytest.importorskip("llama_cpp")
    import numpy as np

    rope = {"rope_type": "default", "rope_theta": 50000.0}
    wide = {"head_dim": 32} if architecture == "Qwen3" else {}
    folder = make_other(
        tmp_path / "other", llama, architecture, tie_word_embeddings=False, rope_parameters=rope, **wide
    )
    bench.quantize(folder, "gguf-f32")
    engine = llama_cpp.Llama(str(bench.output / "model.gguf"), n_ctx=256, logits_all=True, verbose=False, n_threads=1)
    for text in TEXTS:
        ids = tokenizer_of(folder)(text)["input_ids"]
        assert engine.tokenize(text.encode(), add_bos=False, special=True) == ids
        engine.reset()
        engine.eval(ids)
        found, expected = torch.tensor(np.array(engine.scores[: len(ids)])), logits(folder, torch.tensor([ids]))[0]
        # it multiplies in 16 bits
        assert (found - expected).square().mean().sqrt() / expected.square().mean().sqrt() < 0.01
    engine.close()


def test_the_provider_llamacpp_answers_from_the_folder(bench, llama):
    pytest.importorskip("llama_cpp")
    from dreamsmk.providers import provider_class
    from dreamsmk.settings import ModelSpec
    from tests.tiny.asking import ask_local, local_request

    bench.quantize(llama, "gguf-f32")
    specs = [
        ModelSpec(provider=name, model=str(at)) for name, at in (("transformers", llama), ("llamacpp", bench.output))
    ]
    providers = [provider_class(spec.provider)(spec) for spec in specs]
    texts = [ask_local(p, local_request(s, max_tokens=8))[0].text for p, s in zip(providers, specs, strict=True)]
    for provider in providers:
        provider.close()
    assert texts[0] == texts[1]


def test_the_same_model_gives_the_same_bytes(bench, llama):
    bench.quantize(llama, "gguf-q8_0")
    before = (bench.output / "model.gguf").read_bytes()
    bench.quantize(llama, "gguf-q8_0")
    assert (bench.output / "model.gguf").read_bytes() == before
    assert str(llama).encode() not in before


def test_what_does_not_survive_is_refused(bench, llama, tmp_path):
    with pytest.raises(SettingsError, match="T5ForConditionalGeneration is not written as GGUF"):
        bench.quantize(make_tiny_t5(tmp_path / "t5"), "gguf-f16")
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
    with pytest.raises(SettingsError, match="linear is not written as GGUF"):
        bench.quantize(make_other(tmp_path / "scaled", llama, "Llama", rope_parameters=scaled), "gguf-f16")
    with pytest.raises(SettingsError, match="'gguf-f16' says the number format itself"):
        bench.quantize(llama, "gguf-f16", dtype="float16")


def test_a_tokenizer_that_splits_in_an_unknown_way_is_refused(bench, llama, tmp_path):
    from tokenizers import pre_tokenizers

    tokenizer = tokenizer_of(llama)
    parts = [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    other = make_other(tmp_path / "other", llama, "Llama")
    tokenizer.save_pretrained(other)
    with pytest.raises(SettingsError, match="a way that GGUF has no name for"):
        bench.quantize(other, "gguf-f16")


@pytest.mark.parametrize("name", RULES)
def test_each_known_way_of_splitting_text_is_that_of_llama_cpp(bench, llama, tmp_path, name):
    llama_cpp = pytest.importorskip("llama_cpp")
    folder = make_other(tmp_path / "other", llama, "Llama")
    described = json.loads((folder / "tokenizer.json").read_text())
    rules = [{**rule, "trim_offsets": True} if rule["type"] == "ByteLevel" else rule for rule in RULES[name]]
    described["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": rules}
    described["model"]["ignore_merges"] = name == "llama-bpe"
    # what only some of the ways keep whole
    for pair in (("1", "2"), ("12", "3"), ("123", "4"), ("!", "!"), ("Ċ", "Ċ"), ("Ġ", "1")):
        described["model"]["vocab"]["".join(pair)] = len(described["model"]["vocab"])
        described["model"]["merges"].append(list(pair))
    (folder / "tokenizer.json").write_text(json.dumps(described))
    bench.quantize(folder, "gguf-f32")
    engine = llama_cpp.Llama(str(bench.output / "model.gguf"), vocab_only=True, verbose=False)
    for text in (*TEXTS, "a12 123 1234\t5678!!\n\n\n  don't DON'T x_y  ½ ²", " quick\r\n 12"):
        assert engine.tokenize(text.encode(), add_bos=False, special=True) == tokenizer_of(folder)(text)["input_ids"]
    engine.close()
