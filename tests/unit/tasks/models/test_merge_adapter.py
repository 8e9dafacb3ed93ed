from __future__ import annotations

import json
import stat
import warnings
from pathlib import Path

import pytest
import torch

from dreamsmk.errors import SettingsError
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.tasks.models.merge_adapter import columns, rows
from tests.tiny import make_tiny_model, make_tiny_t5
from tests.tiny.encoders import make_tiny_classifier, make_tiny_encoder
from tests.unit.tasks.models.bench import Bench, make_adapter

KINDS = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
}
IDS = torch.arange(4, 19)[None]

# What is trained, and what tied embeddings are afterwards.
ADAPTERS = {
    "lora": ({}, True),
    "dora": ({"use_dora": True, "target_modules": "all-linear"}, True),
    "rslora": ({"use_rslora": True, "r": 8}, True),
    "lora and biases": ({"bias": "lora_only", "target_modules": "all-linear"}, True),
    "lora on the input embeddings": ({"target_modules": ["embed_tokens", "q_proj"]}, False),
    "lora on the output layer": ({"target_modules": ["lm_head", "q_proj"]}, False),
    "the input embeddings": ({"modules_to_save": ["embed_tokens"]}, False),
    "both embeddings apart": ({"modules_to_save": ["embed_tokens", "lm_head"]}, False),
    "both embeddings as one": ({"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}, True),
    "two tokens": ({"trainable_token_indices": [5, 6]}, True),
}


@pytest.fixture(scope="session")
def llama(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def load(folder: Path, task_type: str, **given):
    import transformers

    with quietly():
        return getattr(transformers, KINDS[task_type]).from_pretrained(folder, **given).eval()


def adapter_for(bench: Bench, base: Path, task_type: str = "CAUSAL_LM", name: str = "adapter", /, **config) -> Path:
    labels = {"num_labels": config.pop("num_labels")} if "num_labels" in config else {}
    model = load(base, task_type, **labels)
    return make_adapter(bench.folder / name, model, task_type=task_type, **config)


def adapted(base: Path, adapter: Path, task_type: str, **given):
    from peft import PeftModel

    with quietly():
        return PeftModel.from_pretrained(load(base, task_type, **given), adapter).eval()


def logits(model) -> torch.Tensor:
    more = {"decoder_input_ids": IDS} if model.config.is_encoder_decoder else {}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return model(input_ids=IDS, **more).logits


def assert_same(bench: Bench, base: Path, adapter: Path, task_type: str, *, atol: float = 1e-4, **given) -> None:
    """Asserts that the folder answers as base and adapter do, and that the adapter makes a difference."""
    expected = logits(adapted(base, adapter, task_type, **given))
    torch.testing.assert_close(logits(load(bench.output, task_type)), expected, rtol=0, atol=atol)
    assert (logits(load(base, task_type, **given)) - expected).abs().max() > 0.01


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_language_model_answers_as_with_the_adapter(bench, llama, name):
    config, is_tied = ADAPTERS[name]
    adapter = adapter_for(bench, llama, **config)
    facts = bench.merge(llama, adapter)
    assert_same(bench, llama, adapter, "CAUSAL_LM")
    assert json.loads((bench.output / "config.json").read_text())["tie_word_embeddings"] is is_tied
    assert facts["method"] == (name if name in ("dora", "rslora") else "lora")


def test_a_sequence_to_sequence_model_answers_as_with_the_adapter(bench, tmp_path):
    base = make_tiny_t5(tmp_path / "t5")
    adapter = adapter_for(bench, base, "SEQ_2_SEQ_LM", target_modules=["q", "v"])
    bench.merge(base, adapter)
    assert_same(bench, base, adapter, "SEQ_2_SEQ_LM", atol=5e-4)  # its logits go up to 15


def test_a_new_head_with_its_labels_comes_along(bench, llama):
    adapter = adapter_for(bench, llama, "SEQ_CLS", target_modules="all-linear", num_labels=5)
    bench.merge(llama, adapter)
    assert_same(bench, llama, adapter, "SEQ_CLS", num_labels=5)
    config = {"id2label": {str(i): f"label {i}" for i in range(5)}, "problem_type": "multi_label_classification"}
    (adapter / "head.json").write_text(json.dumps(config))
    bench.merge(llama, adapter)
    written = json.loads((bench.output / "config.json").read_text())
    assert (written["id2label"]["4"], written["problem_type"]) == ("label 4", "multi_label_classification")


def test_the_head_of_a_classifier_is_trained_on(bench, tmp_path):
    base = make_tiny_classifier(tmp_path / "bert")
    adapter = adapter_for(bench, base, "SEQ_CLS", target_modules=["query", "value"], use_dora=True)
    bench.merge(base, adapter)
    assert_same(bench, base, adapter, "SEQ_CLS")


def test_an_embedding_model_keeps_its_other_modules(bench, tmp_path):
    from peft import LoraConfig
    from sentence_transformers import SentenceTransformer

    base = make_tiny_encoder(tmp_path / "encoder", prompts={"query": "the "})
    trained, texts = SentenceTransformer(str(base), device="cpu"), ["the of and", "he was"]
    plain = trained.encode(texts, prompt_name="query")
    trained.add_adapter(LoraConfig(r=2, task_type="FEATURE_EXTRACTION", target_modules=["query", "value"]))
    with torch.no_grad():
        for name, weights in trained.named_parameters():
            if "lora_B" in name:
                torch.nn.init.ones_(weights)
    with quietly():
        trained.save(str(tmp_path / "adapter"), create_model_card=False)
    bench.merge(base, tmp_path / "adapter")
    merged = SentenceTransformer(str(bench.output), device="cpu")
    expected = trained.encode(texts, prompt_name="query")
    assert abs(merged.encode(texts, prompt_name="query") - expected).max() < 1e-4
    assert abs(plain - expected).max() > 0.01
    assert "1_Pooling/config.json" in bench.names()


def test_the_folder_is_ordinary_and_names_no_path(bench, llama, tmp_path, capfd):
    adapter = adapter_for(bench, llama)
    bench.merge(llama, adapter)
    assert bench.names() == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in bench.output.iterdir()} == {0o644}
    for path in bench.output.iterdir():
        content = path.read_bytes()
        assert str(tmp_path).encode() not in content
        assert str(llama.parent).encode() not in content
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (bench.output / name).read_text().strip() == (llama / name).read_text().strip()
    assert capfd.readouterr() == ("", "")


def test_the_same_merge_gives_the_same_bytes(bench, llama):
    adapter = adapter_for(bench, llama, target_modules="all-linear")
    bench.merge(llama, adapter, dtype="bfloat16")
    before = {path.name: path.read_bytes() for path in bench.output.iterdir()}
    bench.merge(llama, adapter, dtype="bfloat16")
    assert {path.name: path.read_bytes() for path in bench.output.iterdir()} == before


def test_the_sum_is_made_in_32_bits_and_then_rounded(bench, llama, tmp_path):
    adapter = adapter_for(bench, llama)
    bench.merge(llama, adapter)
    exact = load(bench.output, "CAUSAL_LM").state_dict()
    facts = bench.merge(llama, adapter, dtype="bfloat16")
    assert facts["dtype"] == "bfloat16"
    rounded = load(bench.output, "CAUSAL_LM").state_dict()
    assert all(torch.equal(weights, exact[name].bfloat16()) for name, weights in rounded.items())


def test_the_numbers_are_those_of_the_base_unless_the_model_says_otherwise(bench, llama, tmp_path):
    half = tmp_path / "half"
    load(llama, "CAUSAL_LM").half().save_pretrained(half)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (half / name).write_bytes((llama / name).read_bytes())
    adapter = adapter_for(bench, half)
    assert bench.merge(half, adapter)["dtype"] == "float16"
    assert bench.merge(half, adapter, {"dtype": "bfloat16"})["dtype"] == "bfloat16"
    assert load(bench.output, "CAUSAL_LM").dtype == torch.bfloat16


def test_the_adapters_own_tokenizer_and_the_specs_template_are_kept(bench, llama):
    from transformers import AutoTokenizer

    adapter = adapter_for(bench, llama)
    tokenizer = AutoTokenizer.from_pretrained(llama)
    tokenizer.chat_template = "{{ messages[0]['content'] }}!"
    tokenizer.save_pretrained(adapter)
    bench.merge(llama, adapter)
    assert AutoTokenizer.from_pretrained(bench.output).chat_template == "{{ messages[0]['content'] }}!"
    bench.merge(llama, adapter, {"chat_template": "{{ messages }}"})
    assert AutoTokenizer.from_pretrained(bench.output).chat_template == "{{ messages }}"


def test_new_tokens_that_were_trained_come_along(bench, llama):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(llama)
    tokenizer.add_tokens(["<new>"])
    model = load(llama, "CAUSAL_LM")
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    adapter = make_adapter(bench.folder / "adapter", model, task_type="CAUSAL_LM", modules_to_save=["embed_tokens"])
    tokenizer.save_pretrained(adapter)
    bench.merge(llama, adapter)
    written = load(bench.output, "CAUSAL_LM")
    assert written.get_input_embeddings().num_embeddings == len(tokenizer)
    assert AutoTokenizer.from_pretrained(bench.output)("<new>")["input_ids"] == [len(tokenizer) - 1]
    plain = adapter_for(bench, llama, "CAUSAL_LM", "plain")
    tokenizer.save_pretrained(plain)
    with pytest.raises(SettingsError, match="neither base nor adapter has embeddings"):
        bench.merge(llama, plain)


def test_the_adapter_may_stand_in_the_model_spec_and_nowhere_twice(bench, llama):
    adapter = adapter_for(bench, llama)
    bench.merge(llama, None, {"adapter": str(adapter)})
    assert_same(bench, llama, adapter, "CAUSAL_LM")
    with pytest.raises(SettingsError, match="there are two adapters"):
        bench.merge(llama, adapter, {"adapter": str(adapter)})
    with pytest.raises(SettingsError, match="the model 'student' has no adapter"):
        bench.merge(llama, None)


def test_what_is_no_adapter_is_refused(bench, llama, tmp_path):
    with pytest.raises(SettingsError, match=r"no adapter_config\.json"):
        bench.merge(llama, llama)
    with pytest.raises(SettingsError, match="there is no folder"):
        bench.merge(llama, tmp_path / "nowhere")
    adapter = adapter_for(bench, llama)
    with pytest.raises(SettingsError, match="is an adapter"):
        bench.merge(adapter, adapter, other_base=True)


def test_a_quantized_base_is_refused(bench, llama, tmp_path):
    adapter = adapter_for(bench, llama)
    with pytest.raises(SettingsError, match="is quantized when it is loaded") as error:
        bench.merge(llama, adapter, {"quantization": "torchao-int8"})
    assert error.value.where == "models.student.quantization"
    pytest.importorskip("torchao")
    other = Bench(tmp_path / "other")
    other.quantize(llama, "torchao-int8")
    with pytest.raises(SettingsError, match="is quantized already"):
        bench.merge(other.output, adapter, other_base=True)


def test_an_adapter_that_names_another_base_is_refused_unless_both_are_the_same(bench, llama, tmp_path):
    adapter = adapter_for(bench, llama)
    twin = make_tiny_model(tmp_path / "twin")
    with pytest.raises(SettingsError, match=r"was made for '.*llama', and not for '.*twin'") as error:
        bench.merge(twin, adapter)
    assert "other_base=True" in error.value.hint
    bench.merge(twin, adapter, other_base=True)
    assert_same(bench, llama, adapter, "CAUSAL_LM")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_hidden_layers": 1}, "4 weights have no counterpart"),
        ({"num_hidden_layers": 3}, "4 weights have no counterpart"),
        ({"hidden_size": 32}, "its weights have other shapes"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(bench, llama, tmp_path, change, reason):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    config = AutoConfig.from_pretrained(llama)
    for name, value in change.items():
        setattr(config, name, value)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(llama).save_pretrained(tmp_path / "other")
    adapter = adapter_for(bench, llama)
    with pytest.raises(SettingsError, match=f"was made for another model .*{reason}"):
        bench.merge(tmp_path / "other", adapter, other_base=True)


def test_an_adapter_of_another_kind_is_refused(bench, llama, tmp_path):
    adapter = adapter_for(bench, llama)
    with pytest.raises(SettingsError, match="is no model for an adapter of the kind 'CAUSAL_LM', but a t5"):
        bench.merge(make_tiny_t5(tmp_path / "t5"), adapter, other_base=True)
    from peft import PromptTuningConfig, get_peft_model

    with quietly():
        prompts = get_peft_model(
            load(llama, "CAUSAL_LM"), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
        )
        prompts.save_pretrained(tmp_path / "prompts")
    with pytest.raises(SettingsError, match="PROMPT_TUNING is no part of the weights"):
        bench.merge(llama, tmp_path / "prompts")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_found(bench, llama, value):
    from safetensors.torch import load_file, save_file

    adapter = adapter_for(bench, llama)
    weights = load_file(adapter / "adapter_model.safetensors")
    min(weights.items())[1][0, 0] = value
    save_file(weights, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SettingsError, match=r"cannot be merged|not finite"):
        bench.merge(llama, adapter)
    assert not bench.output.exists()


def test_weights_that_are_too_large_for_the_format_are_found(bench, llama):
    adapter = adapter_for(bench, llama, modules_to_save=["lm_head"])
    from safetensors.torch import load_file, save_file

    weights = load_file(adapter / "adapter_model.safetensors")
    next(value for name, value in weights.items() if "lm_head" in name)[0, 0] = 1e6
    save_file(weights, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SettingsError, match=r"1 weights .* not finite") as error:
        bench.merge(llama, adapter, dtype="float16")
    assert "another dtype than float16" in error.value.hint
    bench.merge(llama, adapter)


def test_the_model_of_a_service_has_no_weights_here(bench, llama):
    with pytest.raises(SettingsError, match="of provider 'echo' are not at hand"):
        bench.merge(llama, llama, {"provider": "echo"})


def test_the_output_is_a_folder_without_columns_or_rows():
    assert columns({}, {}) == rows({}, {}) == {"model": None}
