"""What takes part in the key of a call: everything in a `Request`, by name, and nothing else."""

import dataclasses
import hashlib
import re
from pathlib import Path

import pytest

from dreamsmk.errors import IdentityError
from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import KEY_VERSION, NOT_IN_KEY, Image, Message, ModelIdentity, Request, Sampling, ToolCall

# Two values for each field, neither of them the default: a field that is added has to be added here.
MODEL_VALUES = {
    "provider": ("openai", "anthropic"),
    "model": ("model-a", "model-b"),
    "revision": ("2025-01-01", "main"),
    "adapter": ("sha256:aa", "sha256:bb"),
    "quantization": ("nf4", "int8"),
    "dtype": ("float32", "bfloat16"),
    "base_url": ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"),
    "api": ("responses", "completions"),
    "chat_template": ("{{ a }}", "{{ b }}"),
    "options": ({"chat": False}, {"chat": True}),
}
SAMPLING_VALUES = {
    "temperature": (0.0, 0.7),
    "top_p": (0.9, 0.95),
    "top_k": (1, 2),
    "min_p": (0.0, 0.1),
    "max_tokens": (10, 11),
    "stop": (("a",), ("a", "b")),
    "seed": (0, 1),
    "presence_penalty": (0.0, 0.5),
    "frequency_penalty": (0.0, 0.5),
    "repetition_penalty": (1.0, 1.1),
    "logprobs": (0, 5),
    "extra": ({"reasoning_effort": "low"}, {"reasoning_effort": "high"}),
}
REQUEST_VALUES = {
    "model": (ModelIdentity("openai", "model-x", dtype="int8"), ModelIdentity("other", "model-y")),
    "messages": ((Message("user", "hello"),) * 2, (Message("user", "hello"),) * 3),
    "sampling": (Sampling(temperature=0.1), Sampling(top_p=0.1)),
    "sample": (1, 2),
    "tools": (({"name": "search"},), ({"name": "read"},)),
    "tool_choice": ("required", "search"),
    "schema": ({"type": "object"}, {"type": "array"}),
    "wanted": ("embedding", "labels"),
}
MESSAGE_VALUES = {
    "role": ("system", "assistant"),
    "content": ("a", "b"),
    "images": ((Image("sha256:aa", "image/png"),), (Image("sha256:aa", "image/jpeg"), Image("sha256:bb", "image/png"))),
    "tool_calls": ((ToolCall("1", "search", "{}"),), (ToolCall("1", "search", '{"a": 1}'),)),
    "tool_call_id": ("1", "2"),
}
VALUES = {
    Request: REQUEST_VALUES,
    ModelIdentity: MODEL_VALUES,
    Sampling: SAMPLING_VALUES,
    Message: MESSAGE_VALUES,
}

PLAIN = Request(ModelIdentity("echo", "model-x"), (Message("user", "hello"),))
GOLDEN_JSON = (
    '{"messages":[{"content":"be brief","role":"system"},{"content":"naïve?","role":"user"}],'
    '"model":{"base_url":"http://127.0.0.1:8000/v1","model":"model-a","options":{"chat":false},"provider":"openai"},'
    '"sample":3,"sampling":{"max_tokens":64,"stop":["END"],"temperature":0.7},"schema":{"type":"object"},"v":1}'
)
GOLDEN_KEY = "sha256:2af30984ef2445e34a0b8ddf976912f3b05f3a31a7e9cc1036d9998940c911cf"
GOLDEN_PLAIN_KEY = "sha256:ff53a0978076b04efccf0c05782f8be7e2bbd0cca1e843a7fdf4430e11ad8a58"


def with_field(kind: type, name: str, value: object) -> Request:
    """Returns the plain request with one field of one of its parts replaced."""
    if kind is Request:
        return dataclasses.replace(PLAIN, **{name: value})
    if kind is ModelIdentity:
        return dataclasses.replace(PLAIN, model=dataclasses.replace(PLAIN.model, **{name: value}))
    if kind is Sampling:
        return dataclasses.replace(PLAIN, sampling=dataclasses.replace(PLAIN.sampling, **{name: value}))
    return dataclasses.replace(PLAIN, messages=(dataclasses.replace(PLAIN.messages[0], **{name: value}),))


def make_participation_test(kind: type, name: str):
    def test() -> None:
        keys = {with_field(kind, name, value).key() for value in VALUES[kind][name]}
        assert len(keys | {PLAIN.key()}) == 3

    return test


# One test a field, by name: test_temperature_participates, test_model_provider_participates, …
for _kind, _prefix in ((Sampling, ""), (ModelIdentity, "model_"), (Message, "message_"), (Request, "request_")):
    for _field in dataclasses.fields(_kind):
        _name = f"test_{_prefix}{_field.name}_participates"
        globals()[_name] = make_participation_test(_kind, _field.name)
        globals()[_name].__name__ = _name


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_every_field_has_values_here(kind):
    assert set(VALUES[kind]) == {field.name for field in dataclasses.fields(kind)}


def test_no_two_fields_give_the_same_key():
    keys = [
        with_field(kind, name, value).key() for kind, named in VALUES.items() for name in named for value in named[name]
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("kind", "name"), [(k, f.name) for k in (Sampling, ModelIdentity) for f in dataclasses.fields(k)]
)
def test_a_field_that_is_absent_has_no_place_in_the_canonical_form(kind, name):
    assert (name in PLAIN.canonical()["model"]) == (kind is ModelIdentity and name in {"provider", "model"})
    assert "sampling" not in PLAIN.canonical()
    assert name in str(with_field(kind, name, VALUES[kind][name][0]).canonical())


def test_the_order_of_the_properties_of_a_schema_or_tool_participates():
    def schema(*names):
        return {"type": "object", "properties": {name: {"type": "string", "minLength": 1} for name in names}}

    for field, made in (("schema", schema), ("tools", lambda *names: ({"name": "t", "parameters": schema(*names)},))):
        sorted_key, other = (with_field(Request, field, made(*names)).key() for names in (("a", "b"), ("b", "a")))
        assert sorted_key != other
    request = with_field(Request, "schema", schema("b", "a"))
    assert request.canonical()["order"] == [[["schema", "properties"], ["b", "a"]]]
    turned = {"properties": schema("b", "a")["properties"], "type": "object"}
    assert with_field(Request, "schema", turned).key() == request.key(), "the order of keywords means nothing"
    assert "order" not in with_field(Request, "schema", schema("a", "b")).canonical()


def test_absent_and_empty_are_alike():
    spelled_out = Request(
        ModelIdentity("echo", "model-x", revision=None, options={}),
        (Message("user", "hello"),),
        Sampling(stop=(), extra={}),
        tools=(),
        schema=None,
    )
    assert spelled_out.key() == PLAIN.key()


@pytest.mark.parametrize(
    ("name", "zero"), [("temperature", 0.0), ("top_k", 0), ("seed", 0), ("max_tokens", 0), ("presence_penalty", 0.0)]
)
def test_zero_is_not_absent(name, zero):
    assert with_field(Sampling, name, zero).key() != PLAIN.key()


def test_an_empty_message_is_not_absent():
    empty = with_field(Message, "content", "")
    assert empty.canonical()["messages"] == [{"role": "user", "content": ""}]


def test_the_order_of_messages_participates():
    pair = (Message("user", "a"), Message("assistant", "b"))
    assert dataclasses.replace(PLAIN, messages=pair).key() != dataclasses.replace(PLAIN, messages=pair[::-1]).key()


def test_where_a_text_ends_participates():
    """Texts that are joined without a mark would be the same."""
    one = dataclasses.replace(PLAIN, messages=(Message("user", "ab"), Message("user", "c")))
    other = dataclasses.replace(PLAIN, messages=(Message("user", "a"), Message("user", "bc")))
    assert one.key() != other.key()


def test_the_order_in_which_values_were_given_does_not_participate():
    one = with_field(Sampling, "extra", {"a": 1, "b": {"c": 2, "d": 3}})
    other = with_field(Sampling, "extra", {"b": {"d": 3, "c": 2}, "a": 1})
    assert one.key() == other.key()


def test_where_an_image_lies_does_not_participate():
    keys = {with_field(Message, "images", (Image("sha256:aa", "image/png", path),)).key() for path in (None, Path("a"))}
    assert len(keys) == 1
    assert set(NOT_IN_KEY) == {("Image", "path")}


def test_true_is_not_one():
    assert with_field(Sampling, "extra", {"a": True}).key() != with_field(Sampling, "extra", {"a": 1}).key()


def test_a_value_that_cannot_be_hashed_is_an_error():
    with pytest.raises(IdentityError, match="extra"):
        with_field(Sampling, "extra", {"a": {1, 2}}).key()


def golden() -> Request:
    return Request(
        ModelIdentity("openai", "model-a", base_url="http://127.0.0.1:8000/v1", options={"chat": False}),
        (Message("system", "be brief"), Message("user", "naïve?")),
        Sampling(temperature=0.7, max_tokens=64, stop=("END",)),
        3,
        schema={"type": "object"},
    )


def test_the_canonical_form_is_as_it_was():
    assert canonical_bytes(golden().canonical()).decode() == GOLDEN_JSON


def test_the_keys_are_as_they_were():
    """To change one, raise KEY_VERSION and say in the changelog that caches are asked anew."""
    assert KEY_VERSION == 1
    assert golden().key() == GOLDEN_KEY
    assert PLAIN.key() == GOLDEN_PLAIN_KEY


def test_the_key_is_the_sha256_of_the_canonical_form():
    assert golden().key() == "sha256:" + hashlib.sha256(GOLDEN_JSON.encode()).hexdigest()
    assert re.fullmatch("sha256:[0-9a-f]{64}", PLAIN.key())
