from __future__ import annotations

import json
import shutil

import pytest

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.training.frame.base_model import BaseModel, base_model
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from tests.tiny import make_tiny_adapter
from tests.unit.tasks.training.test_parameters import parameters


def base(model, *, params=None, **spec) -> BaseModel:
    """The base model of a training, checked."""
    found = ModelSpec(**{"provider": "transformers", "model": str(model), **spec})
    return base_model("student", found, params or parameters())


def test_a_model_of_a_service_cannot_be_trained():
    with pytest.raises(SettingsError, match=r"provider 'openai'(.|\n)*models\.student"):
        base("gpt-5", provider="openai")


def test_all_weights_under_an_adapter_are_not_trained():
    with pytest.raises(SettingsError, match=r"has an adapter(.|\n)*merge_adapter"):
        base("m", adapter="a", params=parameters(lora=None))


def test_all_weights_of_a_quantized_model_are_not_trained():
    with pytest.raises(SettingsError, match="quantized weights"):
        base("m", quantization="torchao-int8", params=parameters(lora=None))


def test_a_quantization_that_there_is_not_is_told_with_the_nearest_one():
    with pytest.raises(SettingsError, match=r"torchao-int4'(.|\n)*GPU"):
        base("m", quantization="torchao-int4", device="cpu")
    with pytest.raises(SettingsError, match=r"no quantization 'torchao-int'(.|\n)*torchao-int8"):
        base("m", params=parameters(quantization="torchao-int"))


def test_a_model_with_an_adapter_goes_on_with_it(tiny_model, tmp_path):
    adapter = make_tiny_adapter(tmp_path / "adapter", tiny_model)
    found = base(tiny_model, adapter=str(adapter))
    with quiet_libraries():
        model = found.load_weights(parameters())
    assert found.new_adapter(parameters()) is None
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        name for name, _ in model.named_parameters() if "lora_" in name
    }


def test_a_model_that_is_no_causal_language_model_is_refused(tiny_model, tmp_path):
    folder = tmp_path / "classifier"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["LlamaForSequenceClassification"]}))
    with pytest.raises(TrainingError, match="no causal language model but LlamaForSequenceClassification"):
        base(folder).load_config("causal")


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"cannot be loaded(.|\n)*models\.student"):
        base(tmp_path).load_config("causal")


def test_the_chat_template_of_the_spec_replaces_the_tokenizers_own(tiny_model):
    assert base(tiny_model, chat_template="{{ messages }}").load_tokenizer().chat_template == "{{ messages }}"


def test_the_chat_template_of_the_spec_may_be_in_a_file(tiny_model, tmp_path):
    (tmp_path / "t.jinja").write_text("{{ messages }}")
    found = base(tiny_model, chat_template=str(tmp_path / "t.jinja"))
    assert found.load_tokenizer().chat_template == "{{ messages }}"


def test_a_model_of_completions_has_no_chat_template(tiny_model):
    assert base(tiny_model).is_chat
    assert not base(tiny_model, api="completions").is_chat
    assert not base(tiny_model, options={"chat": False}).is_chat


def test_of_a_frozen_model_nothing_is_trained_and_the_precision_is_that_of_the_training(tiny_model, tmp_path):
    import torch

    found = base(tiny_model, adapter=str(make_tiny_adapter(tmp_path / "adapter", tiny_model)))
    with quiet_libraries():
        model = found.load_weights(parameters(lora=None, precision="bf16"), is_frozen=True)
    assert not [name for name, p in model.named_parameters() if "lora_" in name and p.requires_grad]
    assert model.get_base_model().dtype == torch.bfloat16


def test_weights_are_loaded_in_the_precision_of_the_training_whatever_they_are_stored_in(tiny_model):
    import torch

    assert base(tiny_model).load_weights(parameters(precision="bf16")).dtype == torch.bfloat16
    assert base(tiny_model).load_weights(parameters()).dtype == torch.float32
    assert base(tiny_model).load_weights(parameters(precision="bf16", lora=None)).dtype == torch.float32
