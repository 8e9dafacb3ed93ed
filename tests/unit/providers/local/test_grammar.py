from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local.answering import LocalModel
from dreamsmk.providers.local.grammar import grammar_of
from dreamsmk.requests import Response
from dreamsmk.settings import ModelSpec
from tests.tiny.fixed import fixed_request

NAMES = {"type": "string", "pattern": "^[A-Z][a-z]{2,5}$"}


def closed(**properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SCHEMAS = {
    "enum": {"enum": ["yes", "no", 3, None]},
    "nested": closed(person=closed(name=NAMES, age={"type": "integer", "minimum": 0, "maximum": 120})),
    "array": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
    "range": {"type": "integer", "minimum": -17, "exclusiveMaximum": 40},
    "pattern": {"type": "string", "pattern": "^[a-f0-9]{4}-(red|blue)$"},
    "unicode": {"enum": ["é漢字🎉", "naïve", "\u2028"]},
    "lengths": {"type": "string", "minLength": 2, "maxLength": 5},
    "any of": {"anyOf": [{"type": "null"}, closed(x={"type": "number", "minimum": 0, "maximum": 1})]},
    "optional": {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": False},
    "format": closed(day={"type": "string", "format": "date"}),
}
VALUES = [{"temperature": 1.0}, {"temperature": 1.5, "top_k": 5}, {"temperature": 1.0, "top_p": 0.5, "min_p": 0.1}, {}]


@pytest.fixture(scope="module")
def model(spec: ModelSpec) -> LocalModel:
    return LocalModel(spec)


@pytest.fixture(scope="module")
def t5_model(t5_spec: ModelSpec) -> LocalModel:
    return LocalModel(t5_spec)


def replies(model: LocalModel, requests: list) -> list[Response]:
    answers = dict(model.answer(requests))
    return [answers[index] for index in range(len(requests))]


def test_every_reply_that_ends_by_itself_is_valid(model: LocalModel, spec: ModelSpec) -> None:
    """All schemas side by side in the same batches, with rows that have none."""
    requests = [
        fixed_request(spec, f"the of {n}", schema=schema, sample=sample, max_tokens=120, **values)
        for n, schema in enumerate([*SCHEMAS.values(), None])
        for sample in range(2)
        for values in VALUES
    ]
    finished = set()
    for request, reply in zip(requests, replies(model, requests), strict=True):
        if request.schema is not None and reply.finish_reason == "stop":
            jsonschema.validate(json.loads(reply.text), request.schema)
            finished.add(json.dumps(request.schema))
    assert finished == {json.dumps(schema) for schema in SCHEMAS.values()}


@pytest.mark.parametrize("name", ["nested", "array", "range", "pattern"])
def test_a_vocabulary_of_sentencepiece_is_held_to_a_schema_too(
    t5_model: LocalModel, t5_spec: ModelSpec, name: str
) -> None:
    schema = SCHEMAS[name]
    requests = [
        fixed_request(t5_spec, f"the {n}", schema=schema, max_tokens=120, temperature=0.7 * (n % 2)) for n in range(6)
    ]
    found = replies(t5_model, requests)
    finished = [reply for reply in found if reply.finish_reason == "stop"]
    assert finished
    for reply in finished:
        jsonschema.validate(json.loads(reply.text), schema)


def test_a_schema_changes_no_row_beside_it(model: LocalModel, spec: ModelSpec) -> None:
    free = [fixed_request(spec, f"it {n}", max_tokens=20, temperature=1.0) for n in range(3)]
    held = [fixed_request(spec, f"it {n}", max_tokens=20, temperature=1.0, schema=SCHEMAS["array"]) for n in range(3)]
    together = [reply.text for reply in replies(model, [*free, *held])]
    assert together == [replies(model, [each])[0].text for each in [*free, *held]]
    assert [reply.text for reply in replies(model, free)] == together[:3]


def test_a_reply_that_is_whole_ends_by_stop_even_at_its_last_token(model: LocalModel, spec: ModelSpec) -> None:
    schema = closed(a={"const": 1})
    (whole,) = replies(model, [fixed_request(spec, "x", schema=schema, max_tokens=40)])
    assert whole.finish_reason == "stop"
    exact, short = replies(
        model,
        [
            fixed_request(spec, "x", schema=schema, max_tokens=whole.usage.output_tokens + less, temperature=0)
            for less in (0, -1)
        ],
    )
    assert (exact.text, exact.finish_reason) == (whole.text, "stop")
    assert short.finish_reason == "length"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"if": {"type": "null"}, "then": {}}, "if"),
        ({"type": "strin"}, "strin"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"$ref": "https://elsewhere/schema"}, "elsewhere"),
        ({"type": "string", "format": "weird"}, "weird"),
    ],
)
def test_a_schema_that_cannot_be_held_is_refused_by_name(schema: dict, words: str) -> None:
    with pytest.raises(RequestRejected, match="cannot be held to this schema") as caught:
        grammar_of(schema)
    assert words in str(caught.value)
    assert str(caught.value).count("\n") <= 2


def test_a_refused_schema_is_found_before_any_model_is_loaded() -> None:
    spec = ModelSpec(provider="transformers", model="/nowhere")
    ((index, refused),) = LocalModel(spec).answer([fixed_request(spec, schema={"type": "strin"})])
    assert index == 0
    assert isinstance(refused, RequestRejected)
