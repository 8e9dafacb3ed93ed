from __future__ import annotations

import json
import stat
import warnings
from pathlib import Path

import pytest
import torch

from dreamsmk.errors import SettingsError
from dreamsmk.providers import provider_class
from dreamsmk.providers.local.quantization import QUANTIZATIONS
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.settings import ModelSpec
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.models import gguf_file
from dreamsmk.tasks.models.quantization_methods import DYNAMIC, GPU_ONLY
from dreamsmk.tasks.models.quantize import columns, rows
from tests.tiny import make_tiny_model, make_tiny_t5
from tests.tiny.asking import ask_local, local_request
from tests.tiny.encoders import make_tiny_classifier, make_tiny_encoder
from tests.unit.tasks.models.bench import Bench, make_adapter

OFFERED = load_meta("quantize").params["properties"]["method"]["enum"]
IDS = torch.arange(4, 40)[None]
TORCHAO = ["torchao-int8", "torchao-int8-dynamic", "torchao-float8"]
BITSANDBYTES = ["bnb-8bit", "bnb-4bit"]


@pytest.fixture(scope="session")
def llama(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def needed(request):
    """Skips a test where the package of its method is not installed."""
    method = request.getfixturevalue("method")
    pytest.importorskip("torchao" if method.startswith("torchao") else "bitsandbytes")


def load(folder: Path, **given):
    from transformers import AutoModelForCausalLM

    with quietly():
        return AutoModelForCausalLM.from_pretrained(folder, **given).eval()


def answer(spec: ModelSpec, *prompts: str) -> list[str]:
    provider = provider_class(spec.provider)(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        replies = ask_local(provider, *(local_request(spec, prompt, max_tokens=6) for prompt in prompts))
    provider.close()
    return [reply.text for reply in replies]


@pytest.mark.parametrize("method", [*TORCHAO, *BITSANDBYTES])
@pytest.mark.usefixtures("needed")
def test_the_folder_is_smaller_and_loads_and_answers_as_was_promised(bench, llama, method):
    facts = bench.quantize(llama, method)
    model = load(bench.output)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = model(IDS).logits.float(), load(llama)(IDS).logits
    error = float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())
    assert 0 < facts["answers_off"] < (1 if method == "bnb-4bit" else 0.3)
    assert 0 < error < (1 if method == "bnb-4bit" else 0.3)
    assert facts["weights_after_bytes"] < 0.5 * facts["weights_before_bytes"]
    assert facts["size_bytes"] == sum(path.stat().st_size for path in bench.output.iterdir())
    assert "quantization_config" in json.loads((bench.output / "config.json").read_text())


@pytest.mark.parametrize("method", [*TORCHAO, *BITSANDBYTES])
@pytest.mark.usefixtures("needed")
def test_the_folder_is_a_model_like_any_other(bench, llama, method):
    bench.quantize(llama, method)
    texts = answer(ModelSpec(provider="transformers", model=str(bench.output)), "the of and", "was he")
    assert len(texts) == 2
    assert all(texts)


@pytest.mark.parametrize("method", ["torchao-int8", "torchao-float8", *BITSANDBYTES])
@pytest.mark.usefixtures("needed")
def test_an_adapter_can_be_trained_on_the_folder_and_used_with_it(bench, llama, method):
    from peft import LoraConfig, get_peft_model

    bench.quantize(llama, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with quietly():
            adapted = get_peft_model(load(bench.output), LoraConfig(r=2, target_modules="all-linear"))
        adapted(input_ids=IDS, labels=IDS).loss.backward()
    learnt = [p.grad.abs().max() for name, p in adapted.named_parameters() if "lora_B" in name]
    assert len(learnt) == 14
    assert min(learnt) > 0
    adapter = make_adapter(bench.folder / "adapter", load(bench.output), task_type="CAUSAL_LM")
    spec = ModelSpec(provider="transformers", model=str(bench.output))
    plain, tuned = (answer(s, "the of and") for s in (spec, ModelSpec(**{**spec_of(spec), "adapter": str(adapter)})))
    assert plain != tuned


def spec_of(spec: ModelSpec) -> dict:
    return {"provider": spec.provider, "model": spec.model}


def test_nothing_learns_below_a_layer_that_computes_in_8_bits(bench, llama):
    """Why the guide says that such a folder is no base: torchao has no gradient for it, and says nothing."""
    pytest.importorskip("torchao")
    from peft import LoraConfig, get_peft_model

    bench.quantize(llama, DYNAMIC)
    with quietly():
        adapted = get_peft_model(load(bench.output), LoraConfig(r=2, target_modules="all-linear"))
    adapted(input_ids=IDS, labels=IDS).loss.backward()
    first = next(p for name, p in adapted.named_parameters() if "layers.0.self_attn.q_proj.lora_B" in name)
    assert first.grad.abs().max() == 0


def test_the_folder_is_ordinary_and_the_same_each_time(bench, llama, tmp_path, capfd):
    pytest.importorskip("torchao")
    bench.quantize(llama, "torchao-int8")
    before = {path.name: path.read_bytes() for path in bench.output.iterdir()}
    assert {*before} == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in bench.output.iterdir()} == {0o644}
    assert not any(str(llama.parent).encode() in content for content in before.values())
    bench.quantize(llama, "torchao-int8")
    assert {path.name: path.read_bytes() for path in bench.output.iterdir()} == before
    assert capfd.readouterr() == ("", "")


def test_what_is_not_quantized_is_in_the_format_that_was_asked_for(bench, llama):
    pytest.importorskip("torchao")
    assert bench.quantize(llama, "torchao-int8")["dtype"] == "float32"
    assert bench.quantize(llama, "torchao-int8", {"dtype": "float16"})["dtype"] == "float16"
    assert bench.quantize(llama, "torchao-int8", dtype="bfloat16")["dtype"] == "bfloat16"
    assert load(bench.output).get_input_embeddings().weight.dtype == torch.bfloat16


def test_other_kinds_of_models_keep_what_they_are(bench, tmp_path):
    pytest.importorskip("torchao")
    bench.quantize(make_tiny_t5(tmp_path / "t5"), "torchao-int8")
    assert all(answer(ModelSpec(provider="transformers", model=str(bench.output), options={"chat": False}), "the of"))
    bench.quantize(make_tiny_classifier(tmp_path / "bert"), "torchao-int8")
    config = json.loads((bench.output / "config.json").read_text())
    assert (config["architectures"], config["id2label"]["2"]) == (["BertForSequenceClassification"], "good")
    encoder = make_tiny_encoder(tmp_path / "encoder")
    bench.quantize(encoder, "torchao-int8")
    from sentence_transformers import SentenceTransformer

    small, plain = (SentenceTransformer(str(folder), device="cpu") for folder in (bench.output, encoder))
    error = abs(small.encode("the of and") - plain.encode("the of and")).max()
    assert 0 < error < 0.1


@pytest.mark.parametrize("method", GPU_ONLY)
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_method_without_a_gpu_says_what_it_needs(bench, llama, method):
    pytest.importorskip("torchao")
    with pytest.raises(SettingsError, match="needs a CUDA GPU") as error:
        bench.quantize(llama, method)
    assert "gpu=1" in error.value.hint


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", GPU_ONLY)
def test_the_methods_of_gpus_write_what_they_read_back(bench, llama, method):
    assert bench.quantize(llama, method, dtype="bfloat16")["answers_off"] < 1


def test_a_missing_package_is_named(bench, llama):
    import importlib.util

    if importlib.util.find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    with pytest.raises(SettingsError, match="needs the package 'bitsandbytes'"):
        bench.quantize(llama, "bnb-8bit")


def test_only_a_plain_local_model_is_quantized(bench, llama, tmp_path):
    pytest.importorskip("torchao")
    with pytest.raises(SettingsError, match="has an adapter") as error:
        bench.quantize(llama, "torchao-int8", {"adapter": "somewhere"})
    assert "merge_adapter" in error.value.hint
    with pytest.raises(SettingsError, match="is quantized when it is loaded"):
        bench.quantize(llama, "torchao-int8", {"quantization": "torchao-int8"})
    with pytest.raises(SettingsError, match="of provider 'echo'"):
        bench.quantize(llama, "torchao-int8", {"provider": "echo"})
    bench.quantize(llama, "torchao-int8")
    with pytest.raises(SettingsError, match="is quantized already"):
        Bench(tmp_path / "again").quantize(bench.output, "torchao-int8")


def test_a_model_without_linear_layers_is_not_written_as_if_it_were_smaller(bench, llama, tmp_path):
    pytest.importorskip("torchao")
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=400, n_positions=64)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    AutoTokenizer.from_pretrained(llama).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(SettingsError, match="finds no layer in a GPT2LMHeadModel"):
        bench.quantize(tmp_path / "gpt2", "torchao-int8")


def test_a_broken_model_is_not_handed_on(bench, llama, tmp_path):
    pytest.importorskip("torchao")
    model = load(llama)
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    model.save_pretrained(tmp_path / "broken")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "broken" / name).write_bytes((llama / name).read_bytes())
    with pytest.raises(SettingsError, match="answers with no numbers"):
        bench.quantize(tmp_path / "broken", "torchao-int8")


def test_every_method_is_a_quantization_of_model_specs_or_a_format_of_gguf():
    assert {*OFFERED} - {DYNAMIC} == {*QUANTIZATIONS, *gguf_file.FORMATS}


def test_the_output_is_a_folder_without_columns_or_rows():
    assert columns({}, {}) == rows({}, {}) == {"model": None}
