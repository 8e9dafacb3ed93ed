"""The schema and the reference page say what the dataclasses say."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dreamsmk.settings import ModelSpec, Settings, settings_schema, spec_fields
from dreamsmk.settings.reference import reference_page

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/reference/settings.md"


def test_the_schema_is_one():
    Draft202012Validator.check_schema(settings_schema())


def test_every_field_is_in_the_schema_with_its_meaning():
    schema = settings_schema()
    for cls, node in ((Settings, schema), (ModelSpec, schema["$defs"]["ModelSpec"])):
        meanings = {declared.name: declared.metadata["description"] for declared in dataclasses.fields(cls)}
        assert {name: sub["description"] for name, sub in node["properties"].items()} == meanings


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("provider", {"type": "string", "minLength": 1}),
        ("temperature", {"type": ["number", "null"], "minimum": 0}),
        ("batch_size", {"type": ["integer", "null"], "minimum": 1, "default": 16}),
        ("stop", {"type": ["array", "null"], "items": {"type": "string"}}),
        ("options", {"type": ["object", "null"], "additionalProperties": True}),
        ("dtype", {"type": ["string", "null"], "enum": ["float32", "bfloat16", "float16", None]}),
    ],
)
def test_types_bounds_and_defaults_are_those_of_the_field(name, expected):
    found = dict(settings_schema()["$defs"]["ModelSpec"]["properties"][name])
    found.pop("description")
    assert found == expected


def test_an_editor_that_knows_the_schema_takes_the_users_own_keys_and_refuses_a_typo_in_a_model():
    validator = Draft202012Validator(settings_schema())
    spec = {"provider": "echo", "model": "m", "seed": None}
    assert validator.is_valid({"models": {"a": spec}, "samples": 3, "cache": None})
    assert not validator.is_valid({"models": {"a": {**spec, "sed": 1}}})
    assert not validator.is_valid({"models": {"a b": spec}})


def test_every_field_of_a_model_spec_is_in_one_group():
    names = [f.name for group in ("identity", "sampling", "execution", "about") for f in spec_fields(group)]
    assert sorted(names) == sorted(declared.name for declared in dataclasses.fields(ModelSpec))


def test_the_reference_page_is_the_generated_one():
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "run: python -m dreamsmk.settings > docs/reference/settings.md"
    )


def test_the_generator_prints_the_page():
    command = [sys.executable, "-m", "dreamsmk.settings"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True)
    assert printed.stdout == reference_page()


def test_importing_the_settings_loads_nothing_slow():
    slow = {"jsonschema", "yaml", "numpy", "polars", "orjson", "dreamsmk.hashing", "dreamsmk.settings.explain"}
    code = f"import sys, dreamsmk.settings; print(sorted(set(sys.modules) & {slow!r}))"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert printed.stdout == "[]\n"
