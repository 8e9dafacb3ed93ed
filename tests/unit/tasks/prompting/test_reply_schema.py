"""Reading replies by a JSON Schema, and the schema itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.prompting.reply_schema import ReplySchema, field_names, read_schema

FIELDS = {"title": {"type": "string"}, "year": {"type": ["integer", "null"]}, "tags": {"type": "array", "items": {}}}
SCHEMA = {"type": "object", "properties": FIELDS, "required": ["title"], "additionalProperties": False}


def schema(**changes: Any) -> ReplySchema:
    return ReplySchema.of({**SCHEMA, **changes}, where="params.schema")


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "a", "year": 3}',
        '\n {"title": "a",\n"year": 3.0}\n',
        '```json\n{"title": "a", "year": 3}\n```',
        '```\n{"title": "a", "year": 3}\n```\n',
    ],
)
def test_a_reply_is_json_with_a_fence_around_it_or_without(text: str) -> None:
    assert schema().fault(text) is None
    assert schema().cells(text) == {"title": "a", "year": 3, "tags": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ('Sure! {"title": "a"}', "it is not JSON"),
        ('Sure!\n```json\n{"title": "a"}\n```', "it is not JSON"),
        ('{"title": "a"', "it is not JSON"),
        ('{"title": NaN}', "it is not JSON"),
        ('{"title": "\\ud800"}', "it is not JSON"),
        ("[" * 5000, "it is not JSON"),
        ("[]", "[] is not of type 'object'"),
        ("{}", "'title' is a required property"),
        ('{"title": 1}', "title: 1 is not of type 'string'"),
        ('{"title": "a", "name": 1}', "'name' was unexpected"),
        ('{"title": "a", "tags": {}}', "tags: {} is not of type 'array'"),
        ('{"title": "a", "year": 9223372036854775808}', "more than 64 bits"),
    ],
)
def test_a_reply_that_does_not_follow_it_is_told_in_one_line(text: str, said: str) -> None:
    fault = schema().fault(text)
    assert fault is not None
    assert said in fault
    assert "\n" not in fault


def test_a_long_value_does_not_hide_what_is_wrong_with_it_and_many_faults_are_counted() -> None:
    long = schema(properties={"x": {"type": "string", "maxLength": 3}, **{n: {"type": "null"} for n in "abcd"}})
    fault = long.fault(json.dumps({"title": "", "x": "y" * 9000, "a": 1, "b": 1, "c": 1, "d": 1}))
    assert fault is not None
    assert fault.endswith("; and 3 more")
    fault = long.fault(json.dumps({"title": "", "x": "y" * 9000}))
    assert fault is not None
    assert "x: it does not meet maxLength: 3" in fault
    assert len(fault) < 400


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "a JSON Schema is an object"),
        ({"type": "strin"}, "this is no JSON Schema"),
        ({"type": "object"}, "not of an object with properties"),
        ({"type": "array", "items": {}}, "not of an object with properties"),
        ({"properties": {"a": {}}}, "not of an object with properties"),
        ({**SCHEMA, "properties": {"a": {"$ref": "https://example.org/a.json"}}}, "which is not in it"),
        ({**SCHEMA, "properties": {"a": {"items": {"$ref": "#/$defs/b"}}}}, "nothing there"),
        ({**SCHEMA, "properties": {"default": {"$ref": "other.json"}}}, "which is not in it"),
        ({**SCHEMA, "properties": {"a": {"type": "string", "pattern": "("}}}, "is not a 'regex'"),
    ],
)
def test_a_schema_that_is_none_is_an_error_with_its_place(wrong: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        ReplySchema.of(wrong, where="params.schema")
    assert "params.schema" in caught.value.where
    assert len(str(caught.value).splitlines()) <= 3


def test_what_stands_among_values_is_no_reference() -> None:
    ReplySchema.of({**SCHEMA, "properties": {"a": {"const": {"$ref": "x"}}, "pattern": {}}}, where="")


@pytest.mark.parametrize("name", ["s.json", "s.yaml", "s.YML"])
def test_a_file_is_json_or_yaml_by_its_suffix(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(SCHEMA) if name == "s.json" else "type: object\nproperties: {title: {type: string}}\n")
    assert next(iter(read_schema(path).fields)) == "title"


@pytest.mark.parametrize(("name", "text"), [("s.json", "type: object"), ("s.yaml", "{"), ("s.json", "\xff")])
def test_a_file_that_is_neither_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match="neither JSON nor YAML") as caught:
        read_schema(path)
    assert caught.value.where == str(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_schema(tmp_path / "nothing.json")


def test_the_fields_are_known_before_anything_runs_but_for_a_file_that_is_not_there_yet() -> None:
    assert field_names({"schema": SCHEMA}, {}) == ["title", "year", "tags"]
    assert field_names({"schema": None}, {"schema": ["a"]}) == ["a"]
    assert field_names({"schema": None}, {"schema": None}) is None
    assert field_names({"schema": None}, {}) == ()
