"""What a service provider declares stands on the wire just so, and what it does not declare never gets there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.requests import Image, Message, Request, Sampling, ToolCall
from tests.contract.cases import Case
from tests.wire.asking import ask, make_request

VALUES: dict[str, Any] = {
    "temperature": 0.25,
    "top_p": 0.75,
    "top_k": 4,
    "min_p": 0.125,
    "max_tokens": 6,
    "stop": ("END",),
    "seed": 7,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.25,
    "repetition_penalty": 1.5,
    "logprobs": 2,
    "extra": {"service_tag": "someone"},
}
PLAIN = {"temperature": {"temperature": 0.25}, "top_p": {"top_p": 0.75}, "extra": {"service_tag": "someone"}}
CHAT = PLAIN | {
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.25},
    "max_tokens": {"max_tokens": 6},
    "stop": {"stop": ["END"]},
    "seed": {"seed": 7},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
}
RESPONSES = PLAIN | {
    "max_tokens": {"max_output_tokens": 6},
    "logprobs": {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
}
AZURE = CHAT | {"max_tokens": {"max_completion_tokens": 6}}
# What each sampling value becomes on the wire.
SENT: dict[str, dict[str, dict[str, Any]]] = {
    "anthropic": PLAIN | {"top_k": {"top_k": 4}, "max_tokens": {"max_tokens": 6}, "stop": {"stop_sequences": ["END"]}},
    "azure": AZURE,
    "azure-dated": AZURE,
    "litellm": CHAT,
    "openai": CHAT,
    "openai-completions": CHAT | {"logprobs": {"logprobs": 2}},
    "openai-responses": RESPONSES,
}

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["name", "count"],
    "additionalProperties": False,
}
TOOLS = (
    {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA},
    {"name": "clock", "description": "Tells the time.", "parameters": {"type": "object", "properties": {}}},
)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


def sent(case: Case, request: Request) -> dict[str, Any]:
    """Returns what a request adds to the body of a bare one."""
    assert case.server is not None
    ask(case.open(), make_request(case.spec))
    bare = case.server.last.body
    ask(case.open(), request)
    body = case.server.last.body
    return {name: value for name, value in body.items() if bare.get(name) != value}


def is_refused(case: Case, request: Request) -> bool:
    assert case.server is not None
    with pytest.raises(RequestRejected):
        ask(case.open(), request)
    return case.server.count == 0


def conversation(case: Case, *messages: Message, **values: Any) -> Request:
    return dataclasses.replace(make_request(case.spec, **values), messages=messages)


def test_every_sampling_value_is_sent_as_it_is_or_refused(service: Case) -> None:
    for name, value in VALUES.items():
        request = make_request(service.spec, **{name: value})
        service.server.clear()
        if name in service.capabilities.sampling:
            assert sent(service, request) == SENT[service.name][name], name
        else:
            assert is_refused(service, request), name
            if name not in {"logprobs", "extra"}:
                with pytest.raises(SettingsError, match=name):
                    service.type.check(dataclasses.replace(service.spec, **{name: value}))
    assert set(VALUES) == {field.name for field in dataclasses.fields(Sampling)}


def test_the_system_prompt_is_sent(service: Case) -> None:
    ask(service.open(), make_request(service.spec, "Go on.", system="Be brief."))
    body = service.server.last.body
    if service.name == "anthropic":
        assert body["system"] == "Be brief."
    elif service.name == "openai-completions":
        assert body["prompt"] == "Be brief.\n\nGo on."
    else:
        turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go on."}]
        assert body.get("messages", body.get("input")) == turns


def test_tools_are_sent_and_their_calls_come_back(service: Case) -> None:
    request = dataclasses.replace(make_request(service.spec, "Ask weather."), tools=TOOLS)
    if not service.capabilities.has_tools:
        assert is_refused(service, request)
        return
    (reply,) = ask(service.open(), request)
    first = service.server.last.body["tools"][0]
    parameters = first.get("input_schema") or first.get("function", first)["parameters"]
    assert parameters == SCHEMA
    assert first.get("function", first)["description"] == "Tells the weather."
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")
    assert [(call.name, json.loads(call.arguments)) for call in reply.tool_calls] == [
        ("weather", {"name": "text", "count": 1})
    ]
    assert reply.tool_calls[0].id


@pytest.mark.parametrize("choice", ["auto", "none", "required", "clock"])
def test_a_choice_among_tools_is_sent_and_kept(service: Case, choice: str) -> None:
    request = dataclasses.replace(make_request(service.spec, "Go on."), tools=TOOLS, tool_choice=choice)
    if not service.capabilities.has_tools:
        assert is_refused(service, request)
        return
    (reply,) = ask(service.open(), request)
    told = service.server.last.body["tool_choice"]
    if service.name == "anthropic":
        words = {"auto": {"type": "auto"}, "none": {"type": "none"}, "required": {"type": "any"}}
        assert told == words.get(choice, {"type": "tool", "name": "clock"})
    elif choice == "clock":
        inner = {"type": "function", "name": "clock"}
        assert told == (inner if "responses" in service.name else {"type": "function", "function": {"name": "clock"}})
    else:
        assert told == choice
    called = {"required": ["weather"], "clock": ["clock"]}.get(choice, [])
    assert [call.name for call in reply.tool_calls] == called


@pytest.mark.parametrize("values", [{"tool_choice": "required"}, {"tools": TOOLS, "tool_choice": "wether"}])
def test_a_choice_of_no_tool_is_refused(service: Case, values: dict[str, Any]) -> None:
    assert is_refused(service, dataclasses.replace(make_request(service.spec), **values))


def test_the_answers_of_tools_go_back_in_their_place(service: Case) -> None:
    calls = (ToolCall("c1", "weather", '{"name":"x"}'), ToolCall("c2", "clock", "{}"))
    turns = (
        Message("user", "Ask weather."),
        Message("assistant", "", tool_calls=calls),
        Message("tool", "It rains.", tool_call_id="c1"),
        Message("tool", "Noon.", tool_call_id="c2"),
    )
    request = dataclasses.replace(conversation(service, *turns), tools=TOOLS)
    if not service.capabilities.has_tools:
        assert is_refused(service, request)
        return
    (reply,) = ask(service.open(), request)
    assert reply.text.startswith("Reply")
    body = service.server.last.body
    if service.name == "anthropic":
        assert body["messages"][1]["content"][0] == {
            "type": "tool_use",
            "id": "c1",
            "name": "weather",
            "input": {"name": "x"},
        }
        results = body["messages"][2]["content"]
        assert [(block["tool_use_id"], block["content"]) for block in results] == [("c1", "It rains."), ("c2", "Noon.")]
    elif service.name == "openai-responses":
        kinds = ["function_call", "function_call", "function_call_output", "function_call_output"]
        assert [item.get("type") for item in body["input"][1:]] == kinds
        assert body["input"][3] == {"type": "function_call_output", "call_id": "c1", "output": "It rains."}
    else:
        function = {"name": "weather", "arguments": '{"name":"x"}'}
        assert body["messages"][1]["tool_calls"][0] == {"id": "c1", "type": "function", "function": function}
        assert body["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "It rains."}


def test_a_schema_is_sent_and_kept_to(service: Case) -> None:
    (reply,) = ask(service.open(), make_request(service.spec, "Go on.", schema=SCHEMA))
    body = service.server.last.body
    if not service.capabilities.has_schema:
        assert "schema" not in json.dumps(body)
        return
    form = {"name": "reply", "schema": SCHEMA, "strict": True}
    if service.name == "anthropic":
        assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    elif service.name == "openai-responses":
        assert body["text"] == {"format": {"type": "json_schema", **form}}
    else:
        assert body["response_format"] == {"type": "json_schema", "json_schema": form}
    assert json.loads(reply.text) == {"name": "text", "count": 1}


def test_the_most_likely_tokens_come_back(service: Case) -> None:
    if "logprobs" not in service.capabilities.sampling:
        return
    plain, alone, told = (
        ask(service.open(), make_request(service.spec, "a b", **values))[0]
        for values in ({}, {"logprobs": 0}, {"logprobs": 2})
    )
    assert plain.logprobs is None
    assert "".join(token["token"] for token in told.logprobs) == told.text
    assert told.logprobs[0]["top"] == [{"token": "Reply", "logprob": -0.5}, {"token": "Reply1", "logprob": -1.5}]
    assert [token["logprob"] for token in alone.logprobs] == [-0.5] * len(alone.logprobs)
    assert all(token["top"] == [] for token in alone.logprobs)


def test_images_are_sent_with_their_bytes(service: Case, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(PNG)
    image = Image.of(path)
    request = conversation(service, Message("user", "What is this?", images=(image,)))
    if not service.capabilities.has_images:
        assert is_refused(service, request)
        return
    (reply,) = ask(service.open(), request)
    text = json.dumps(service.server.last.body)
    assert "iVBORw0KGgoAAAAAAAAAAA==" in text
    assert "image/png" in text
    assert "What is this?" in text
    assert str(tmp_path) not in text
    assert reply.text


def test_an_image_that_the_assistant_or_nobody_has_is_refused(service: Case, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(PNG)
    image = Image.of(path)
    shown = (Message("user", "Go on."), Message("assistant", "Look:", images=(image,)), Message("user", "And?"))
    assert is_refused(service, conversation(service, *shown))
    path.unlink()
    assert is_refused(service, conversation(service, Message("user", "Go on.", images=(image,))))


def test_what_is_wanted_comes_or_is_refused_before_any_call(service: Case) -> None:
    for wanted in ("embedding", "labels"):
        service.server.clear()
        request = dataclasses.replace(make_request(service.spec, "Go on."), wanted=wanted)
        if wanted in service.capabilities.wanted:
            (reply,) = ask(service.open(), request)
            assert (reply.text, reply.vector().shape) == ("", (8,))
            assert service.server.last.body["input"] == ["Go on."]
        else:
            assert is_refused(service, request)


def test_a_role_that_is_not_declared_is_refused(service: Case) -> None:
    if "tool" not in service.capabilities.roles:
        assert is_refused(service, conversation(service, Message("tool", "x", tool_call_id="c")))
    else:
        assert is_refused(service, conversation(service, Message("user", "a"), Message("tool", "x")))
