from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.providers.schema_forms import anthropic_schema, is_strict

STRING = {"type": "string"}


def closed(**properties: dict) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema",
    [
        closed(a=STRING),
        closed(a={"type": ["string", "null"]}, b={"type": "array", "items": closed(c={"enum": [1, 2]})}),
        closed(a={"anyOf": [STRING, {"type": "null"}]}),
        {**closed(a={"$ref": "#/$defs/x"}), "$defs": {"x": closed(b=STRING)}},
    ],
)
def test_schemas_that_strict_mode_takes(schema: dict) -> None:
    assert is_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        STRING,
        {"type": "array", "items": STRING},
        {"type": "object", "properties": {"a": STRING}, "required": ["a"]},
        {**closed(a=STRING, b=STRING), "required": ["a"]},
        {**closed(a=STRING), "additionalProperties": STRING},
        closed(a={}),
        closed(a={"type": "object"}),
        closed(a={"oneOf": [STRING]}),
        closed(a={**STRING, "minLength": 2}),
        {**closed(a={"$ref": "#/$defs/x"}), "$defs": {"x": {"type": "object", "properties": {"b": STRING}}}},
        {"anyOf": [closed(a=STRING), closed(b=STRING)], "type": "object"},
    ],
)
def test_schemas_that_strict_mode_would_refuse(schema: dict) -> None:
    assert not is_strict(schema)


def test_anthropic_is_told_in_words_what_its_service_does_not_know() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "maximum": 150, "description": "In years."},
            "kind": {"oneOf": [STRING, {"type": "null"}]},
            "tags": {"type": "array", "items": {"type": "string", "pattern": "^a"}, "minItems": 2},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["age"],
    }
    assert anthropic_schema(schema) == {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "description": "In years.\n\n{minimum: 0, maximum: 150}"},
            "kind": {"anyOf": [STRING, {"type": "null"}]},
            "tags": {
                "type": "array",
                "items": {"type": "string", "description": "{pattern: ^a}"},
                "description": "{minItems: 2}",
            },
            "day": {"type": "string", "format": "date"},
        },
        "required": ["age"],
        "additionalProperties": False,
    }


LEAVES = st.sampled_from([STRING, {"type": "integer", "minimum": 3}, {"type": "string", "maxLength": 1}, {"enum": [1]}])
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("abc"), inner).map(lambda found: {"type": "object", "properties": found}),
        inner.map(lambda found: {"type": "array", "items": found, "maxItems": 2}),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: {"oneOf": found}),
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.sampled_from([1, 5, "", "ab", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)


@given(schema=SCHEMAS, value=VALUES)
def test_what_anthropic_is_sent_allows_every_valid_reply_without_unnamed_properties(
    schema: dict, value: object
) -> None:
    formed = anthropic_schema(schema)
    closed_schema = {**schema}
    if jsonschema.Draft202012Validator(formed).is_valid(value):
        return
    assert not jsonschema.Draft202012Validator(_without_unnamed(closed_schema)).is_valid(value)


def _without_unnamed(schema: dict) -> dict:
    made = {**schema}
    if made.get("properties"):
        made["properties"] = {name: _without_unnamed(inner) for name, inner in made["properties"].items()}
        made["additionalProperties"] = False
    if "items" in made:
        made["items"] = _without_unnamed(made["items"])
    if "oneOf" in made:
        made["oneOf"] = [_without_unnamed(inner) for inner in made["oneOf"]]
    return made
