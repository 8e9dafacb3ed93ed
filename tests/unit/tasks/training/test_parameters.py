from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.training.parameters import FineTuneParameters, Lora

META = Path(__file__).parents[4] / "rules" / "fine_tune" / "meta.yaml"
REQUIRED = {"model": "student", "inputs": "question", "outputs": "answer"}


def test_the_defaults_of_the_rule_and_of_the_task_are_the_same():
    schema = yaml.safe_load(META.read_text(encoding="utf-8"))["params"]
    assert set(schema["properties"]) == {field.name for field in dataclasses.fields(FineTuneParameters)}
    defaults = {name: entry["default"] for name, entry in schema["properties"].items() if "default" in entry}
    assert FineTuneParameters.from_json(REQUIRED | defaults) == FineTuneParameters(**REQUIRED)
    lora = schema["properties"]["lora"]["oneOf"][1]["properties"]
    assert Lora(**{name: entry["default"] for name, entry in lora.items()}) == Lora()
    assert set(schema["required"]) == set(REQUIRED)


def test_null_switches_the_adapter_off():
    assert FineTuneParameters.from_json(REQUIRED | {"lora": None}).lora is None


def test_an_adapter_that_is_given_in_part_keeps_the_other_defaults():
    assert FineTuneParameters.from_json(REQUIRED | {"lora": {"r": 2, "target_modules": ["q_proj"]}}).lora == Lora(
        r=2, target_modules=("q_proj",)
    )


def test_a_batch_is_split_into_equal_parts():
    assert FineTuneParameters(**REQUIRED, batch_size=8, gradient_accumulation_steps=4).device_batch_size == 2
    with pytest.raises(SettingsError, match="8 rows cannot be split into 3"):
        FineTuneParameters.from_json(REQUIRED | {"gradient_accumulation_steps": 3})
