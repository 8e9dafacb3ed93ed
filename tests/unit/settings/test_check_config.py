"""`check_config`: the workflow's own keys and ours, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.settings import check_config

ROOT = Path(__file__).parents[3]
TEACHER = {"provider": "echo", "model": "m"}
OWN = """\
$schema: https://json-schema.org/draft/2020-12/schema
type: object
required: [samples]
properties:
  samples: {type: integer, minimum: 1}
  topics:
    type: array
    items: {$ref: "#/$defs/topic"}
  filter:
    type: object
    properties:
      threshold: {type: number}
  free: {type: object}
  open:
    type: object
    properties: {known: {type: string}}
    additionalProperties: true
  either:
    anyOf:
      - type: object
        properties: {a: {type: integer}}
      - type: object
        properties: {b: {type: integer}}
$defs:
  topic:
    type: object
    required: [name]
    properties:
      name: {type: string}
      weight: {type: number}
"""


@pytest.fixture
def schema(tmp_path) -> Path:
    path = tmp_path / "config.schema.yaml"
    path.write_text(OWN)
    return path


def lines(*parts: str) -> str:
    return "\n".join(parts)


def test_a_config_of_known_keys_passes(schema):
    config = {
        "samples": 3,
        "models": {"teacher": TEACHER},
        "cache": "calls.db",
        "home": None,
        "topics": [{"name": "a", "weight": 1}],
        "filter": {"threshold": 0.5},
        "free": {"whatever": 1},
        "open": {"known": "x", "unknown": 1},
        "either": {"a": 1, "b": 2},
    }
    check_config(config, schema)
    check_config(config, str(schema))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"smaples": 3},
            lines("there is no key 'smaples'", "at: smaples in config", "hint: did you mean 'samples'?"),
        ),
        (
            {"samples": 3, "modelz": 3},
            lines("there is no key 'modelz'", "at: modelz in config", "hint: did you mean 'models'?"),
        ),
        (
            {"samples": 3, "filter": {"treshold": 1}},
            lines("there is no key 'treshold'", "at: filter.treshold in config", "hint: did you mean 'threshold'?"),
        ),
        (
            {"samples": 3, "topics": [{"name": "a"}, {"name": "b", "wieght": 1}]},
            lines("there is no key 'wieght'", "at: topics[1].wieght in config", "hint: did you mean 'weight'?"),
        ),
        (
            {"samples": 3, "topics": [{"name": 5}]},
            lines("expected text, got the number 5", "at: topics[0].name in config", "hint: write it in quotes"),
        ),
        (
            {"samples": 3, "either": {"c": 1}},
            lines("there is no key 'c'", "at: either.c in config", "hint: choose one of: a, b"),
        ),
        (
            {"samples": 3, "models": {"teacher": {**TEACHER, "temprature": 1}}},
            lines(
                "there is no setting 'temprature'",
                "at: models.teacher.temprature in config",
                "hint: did you mean 'temperature'?",
            ),
        ),
        ({}, lines("the key 'samples' is missing", "at: config")),
        (None, lines("the key 'samples' is missing", "at: config")),
        (
            {"samples": "3"},
            lines("expected a whole number, got the text '3'", "at: samples in config", "hint: write 3 without quotes"),
        ),
    ],
)
def test_a_wrong_config_is_named_with_its_key_path(schema, config, expected):
    with pytest.raises(SettingsError) as caught:
        check_config(config, schema)
    assert str(caught.value) == expected


def test_what_the_workflow_says_of_our_keys_counts_too(tmp_path):
    path = tmp_path / "s.json"
    own = {"properties": {"models": {"type": "object", "required": ["judge"]}}, "additionalProperties": False}
    path.write_text(json.dumps(own))
    check_config({"models": {"judge": TEACHER}, "home": "x"}, path)
    with pytest.raises(SettingsError, match="the key 'judge' is missing\nat: models in config"):
        check_config({"models": {"teacher": TEACHER}}, path)


def test_the_config_is_only_read(schema):
    config = {"samples": 3, "models": {"teacher": {**TEACHER, "seed": None}}}
    before = json.dumps(config)
    check_config(config, schema)
    assert json.dumps(config) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type: strng", "this is no JSON Schema"),
        ("[1, 2]", "expected a JSON Schema, a mapping"),
        ("a: [", "the schema cannot be read"),
    ],
)
def test_a_schema_that_is_none_is_an_error_at_its_file(tmp_path, text, expected):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=expected) as caught:
        check_config({}, path)
    assert str(path) in caught.value.where
    assert len(str(caught.value).splitlines()) <= 3


def test_a_schema_that_is_not_there_is_an_error():
    with pytest.raises(SettingsError, match=r"there is no schema 'schemas/none\.yaml'"):
        check_config({}, "schemas/none.yaml")


def test_a_relative_path_starts_at_the_base_else_at_the_working_folder(schema, monkeypatch, tmp_path):
    check_config({"samples": 1}, schema.name, base=schema.parent)
    monkeypatch.chdir(tmp_path)
    check_config({"samples": 1}, schema.name)


@pytest.mark.parametrize("name", ["dreamsmk", "dreamsmk.settings"])
def test_in_a_snakefile_a_relative_path_starts_at_the_snakefile(name, schema, tmp_path):
    folder = tmp_path / "workflow"
    (folder / "schemas").mkdir(parents=True)
    schema.rename(folder / "schemas/config.schema.yaml")
    (folder / "Snakefile").write_text(
        f"from {name} import check_config\n"
        'check_config(config, "schemas/config.schema.yaml")\n'
        "rule all:\n    output: 'x'\n    shell: 'touch {output}'\n"
    )
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "-d", str(tmp_path)]
    command += ["-s", str(folder / "Snakefile"), "--config"]
    right = subprocess.run([*command, "samples=1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert right.returncode == 0, right.stderr
    wrong = subprocess.run([*command, "samples=1", "sampels=2"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode != 0
    assert "there is no key 'sampels'" in wrong.stdout + wrong.stderr
    assert "hint: did you mean 'samples'?" in wrong.stdout + wrong.stderr
