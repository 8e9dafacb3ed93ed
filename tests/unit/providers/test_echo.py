from __future__ import annotations

import asyncio
import dataclasses
import json

import jsonschema
import pytest

from dreamsmk.errors import RequestRejected, ServiceUnavailable, SettingsError
from dreamsmk.providers import provider_class
from dreamsmk.providers.echo import EchoProvider
from dreamsmk.settings import ModelSpec
from tests.wire.asking import ask, make_request

SPEC = ModelSpec(provider="echo", model="parrot")


def test_the_text_ends_with_the_last_user_message() -> None:
    (reply,) = ask(EchoProvider(SPEC), make_request(SPEC, "Hello there."))
    assert reply.text.endswith(": Hello there.")
    assert reply.usage.input_tokens == 2


def test_samples_of_one_prompt_differ() -> None:
    provider = EchoProvider(SPEC)
    texts = {reply.text for reply in ask(provider, *(make_request(SPEC, sample=n) for n in range(5)))}
    assert len(texts) == 5


def test_max_tokens_and_stop_cut_the_text() -> None:
    provider = EchoProvider(SPEC)
    (short,) = ask(provider, make_request(SPEC, "one two three", max_tokens=3))
    assert (short.text.split()[-1], short.finish_reason, short.usage.output_tokens) == ("one", "length", 3)
    (cut,) = ask(provider, make_request(SPEC, "one two three", stop=(" three", " two")))
    assert (cut.text.split()[-1], cut.finish_reason) == ("one", "stop")


def test_fixed_replies_are_chosen_by_the_key() -> None:
    spec = ModelSpec(provider="echo", model="judge", options={"replies": ["Yes", "No"]})
    requests = [make_request(spec, f"Is {n} even?") for n in range(20)]
    replies = ask(EchoProvider(spec), *requests)
    assert {reply.text for reply in replies} == {"Yes", "No"}
    assert [r.text for r in ask(EchoProvider(spec), *requests)] == [r.text for r in replies]


def test_fail_on_rejects_the_prompts_that_hold_the_text() -> None:
    spec = ModelSpec(provider="echo", model="parrot", options={"fail_on": "poison"})
    ask(EchoProvider(spec), make_request(spec, "harmless"))
    with pytest.raises(RequestRejected, match="poison"):
        ask(EchoProvider(spec), make_request(spec, "a poison"))


SCHEMAS = [
    {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18}}},
    {"type": "array", "items": {"enum": ["yes", "no"]}, "minItems": 3},
    {"type": "number", "minimum": 0.5, "maximum": 0.6},
    {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    {"anyOf": [{"type": "null"}, {"type": "string"}]},
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"const": [1]}}, "required": ["a"]},
    {"type": "string", "minLength": 30},
    {"type": "string", "maxLength": 3},
    {"type": "object", "allOf": [{"properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]}]},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_schema_is_followed_by_a_value_that_depends_on_the_request(schema: dict) -> None:
    replies = ask(EchoProvider(SPEC), *(make_request(SPEC, f"row {n}", schema=schema) for n in range(5)))
    for reply in replies:
        jsonschema.validate(json.loads(reply.text), schema)


def test_fixed_replies_go_before_a_schema() -> None:
    spec = ModelSpec(provider="echo", model="m", options={"replies": ["no JSON"]})
    assert ask(EchoProvider(spec), make_request(spec, schema=SCHEMAS[0]))[0].text == "no JSON"


def test_a_tool_is_called_where_it_must_be() -> None:
    tools = ({"name": "clock", "parameters": SCHEMAS[0]}, {"name": "weather"})
    for choice, called in (("required", ["clock"]), ("weather", ["weather"]), ("auto", []), (None, [])):
        request = dataclasses.replace(make_request(SPEC), tools=tools, tool_choice=choice)
        (reply,) = ask(EchoProvider(SPEC), request)
        assert [call.name for call in reply.tool_calls] == called
        assert (reply.finish_reason == "tool_calls") is bool(called)


def test_like_texts_have_vectors_near_each_other() -> None:
    texts = ("the cat sat here", "the cat sat there", "prices rose by two percent")
    requests = [dataclasses.replace(make_request(SPEC, text), wanted="embedding") for text in texts]
    one, two, three = (reply.vector() for reply in ask(EchoProvider(SPEC), *requests))
    assert one @ two > one @ three
    assert abs(float(one @ one) - 1) < 1e-6


def test_probabilities_are_told_for_each_word() -> None:
    (reply,) = ask(EchoProvider(SPEC), make_request(SPEC, "a b", logprobs=2))
    assert "".join(token["token"] for token in reply.logprobs) == reply.text
    assert all(len(token["top"]) == 2 and token["logprob"] < 0 for token in reply.logprobs)


@pytest.mark.parametrize("options", [{"latency": 1}, {"replies": []}, {"replies": "Yes"}, {"latency_seconds": "x"}])
def test_wrong_options_are_refused(options: dict) -> None:
    with pytest.raises(SettingsError):
        provider_class("echo").check(ModelSpec(provider="echo", model="m", options=options))


def test_labels_are_scored_by_the_key_and_the_best_is_the_text() -> None:
    spec = ModelSpec(provider="echo", model="parrot", options={"labels": ["good", "bad", "fair"]})
    EchoProvider.check(spec)
    requests = [dataclasses.replace(make_request(spec, f"text {n}"), wanted="labels") for n in range(9)]
    replies = ask(EchoProvider(spec), *requests)
    assert len({reply.text for reply in replies}) > 1
    for reply in replies:
        assert reply.labels is not None
        assert list(reply.labels) == ["good", "bad", "fair"]
        assert sum(reply.labels.values()) == pytest.approx(1.0)
        assert reply.labels[reply.text] == max(reply.labels.values())
    with pytest.raises(RequestRejected, match="no labels to score"):
        ask(EchoProvider(SPEC), dataclasses.replace(make_request(SPEC), wanted="labels"))


def test_many_at_once_get_the_replies_that_each_gets_alone() -> None:
    def lasting(reply):
        return dataclasses.replace(reply, created_at="", latency_seconds=0.0)

    requests = [make_request(SPEC, f"prompt {n}", max_tokens=3) for n in range(20)]
    together = asyncio.run(EchoProvider(SPEC).complete_many(requests))
    assert [lasting(reply) for reply in together] == [lasting(reply) for reply in ask(EchoProvider(SPEC), *requests)]


@pytest.mark.parametrize("options", [{"latency_seconds": 0.1}, {"fail_on": "poison"}])
def test_what_takes_time_or_may_fail_is_asked_one_by_one(options: dict) -> None:
    assert EchoProvider(SPEC).texts_at_once > 1
    assert EchoProvider(dataclasses.replace(SPEC, options=options)).texts_at_once == 1


def test_a_reply_that_takes_too_long_ends_by_itself() -> None:
    spec = dataclasses.replace(SPEC, options={"latency_seconds": 5}, timeout_seconds=0.05)
    with pytest.raises(ServiceUnavailable, match=r"no reply within 0\.05 s"):
        ask(EchoProvider(spec), make_request(spec))
