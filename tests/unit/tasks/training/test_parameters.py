from __future__ import annotations

import dataclasses

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_group, load_meta, rule_names
from dreamsmk.tasks.training.fine_tune import FineTuneParameters
from dreamsmk.tasks.training.frame.parameters import Lora, TrainingParameters

GIVEN = {"model": "student", "inputs": "question", "outputs": "answer"}
PLAIN = Lora(r=8, alpha=16, dropout=0.0, target_modules="all-linear", modules_to_save=(), dora=False, rslora=False)


def parameters(**given) -> FineTuneParameters:
    return FineTuneParameters.from_json(validate_params(load_meta("fine_tune").params, GIVEN | given, where="test"))


def test_the_shared_parameters_of_the_rules_and_of_the_tasks_are_the_same():
    names = {"model", "epochs", "learning_rate", *load_group("training"), *load_group("adapter")}
    assert {field.name for field in dataclasses.fields(TrainingParameters)} == names


def test_every_rule_with_the_shared_parameters_has_those_that_differ_from_rule_to_rule():
    trainers = [load_meta(name) for name in rule_names() if "training" in load_meta(name).include]
    assert trainers
    for meta in trainers:
        assert {"model", "epochs", "learning_rate"} <= set(meta.params["properties"]), meta.name


def test_the_adapter_is_lora_of_rank_8_where_nothing_is_said():
    assert parameters().lora == PLAIN


def test_null_switches_the_adapter_off():
    assert parameters(lora=None).lora is None


def test_an_adapter_that_is_given_in_part_keeps_the_other_defaults():
    changed = dataclasses.replace(PLAIN, r=2, target_modules=("q_proj",))
    assert parameters(lora={"r": 2, "target_modules": ["q_proj"]}).lora == changed


def test_a_batch_is_split_into_equal_parts():
    assert parameters(batch_size=8, gradient_accumulation_steps=4).device_batch_size() == 2
    with pytest.raises(SettingsError, match="8 rows cannot be split into 3"):
        parameters(gradient_accumulation_steps=3)


def test_a_batch_is_shared_out_evenly_among_devices():
    assert parameters(batch_size=8, gradient_accumulation_steps=2).device_batch_size(2) == 2
    with pytest.raises(SettingsError, match=r"among 3 devices(.|\n)*multiple of 3"):
        parameters(batch_size=8).device_batch_size(3)


def test_quantized_weights_are_trained_with_an_adapter_alone():
    with pytest.raises(SettingsError, match="quantized weights cannot be trained"):
        parameters(lora=None, quantization="torchao-int8")
