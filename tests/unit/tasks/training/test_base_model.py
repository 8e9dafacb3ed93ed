from __future__ import annotations

import json
import shutil

import pytest

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.training.base_model import BaseModel


def base(model, **spec) -> BaseModel:
    return BaseModel("student", ModelSpec(**{"provider": "transformers", "model": str(model), **spec}))


def test_a_model_of_a_service_cannot_be_trained():
    with pytest.raises(SettingsError, match=r"provider 'openai'(.|\n)*models\.student"):
        base("gpt-5", provider="openai").check_spec()


@pytest.mark.parametrize("field", ["adapter", "quantization"])
def test_an_adapted_or_quantized_model_is_refused(field):
    with pytest.raises(SettingsError, match=f"`{field}:`"):
        base("m", **{field: "something"}).check_spec()


def test_a_model_that_is_no_causal_language_model_is_refused(tiny_model, tmp_path):
    folder = tmp_path / "classifier"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["LlamaForSequenceClassification"]}))
    with pytest.raises(TrainingError, match="no causal language model but LlamaForSequenceClassification"):
        base(folder).load_config()


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"cannot be loaded(.|\n)*models\.student"):
        base(tmp_path).load_config()


def test_the_chat_template_of_the_spec_replaces_the_tokenizers_own(tiny_model):
    assert base(tiny_model, chat_template="{{ messages }}").load_tokenizer().chat_template == "{{ messages }}"


def test_weights_are_loaded_in_the_precision_of_the_training_whatever_they_are_stored_in(tiny_model):
    import torch

    assert base(tiny_model).load_weights("bf16").dtype == torch.bfloat16
    assert base(tiny_model).load_weights("fp32").dtype == torch.float32
