from __future__ import annotations

import dataclasses

import pytest

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.anthropic import DEFAULT_MAX_TOKENS, AnthropicProvider
from dreamsmk.requests import Message, ModelIdentity, Request, ToolCall, Usage
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.asking import KEY, ask, make_request


@pytest.fixture
def spec(server: WireServer, keys: str) -> ModelSpec:
    return ModelSpec(provider="anthropic", model="claude", base_url=server.url, timeout_seconds=5)


def test_the_body_holds_what_was_asked_for_and_nothing_else(server: WireServer, spec: ModelSpec) -> None:
    request = make_request(
        spec, "Hi", system="Be brief.", temperature=0.0, top_p=0.5, top_k=4, stop=("E",), max_tokens=9
    )
    ask(AnthropicProvider(spec), request)
    assert server.last.body == {
        "model": "claude",
        "messages": [{"role": "user", "content": "Hi"}],
        "system": "Be brief.",
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 4,
        "stop_sequences": ["E"],
        "max_tokens": 9,
    }
    assert server.last.headers["x-api-key"] == KEY
    assert server.last.headers["anthropic-version"] == "2023-06-01"


def test_max_tokens_has_a_default_because_the_api_requires_it(server: WireServer, spec: ModelSpec) -> None:
    ask(AnthropicProvider(spec), make_request(spec))
    assert server.last.body["max_tokens"] == DEFAULT_MAX_TOKENS == 1024


def test_a_schema_becomes_an_output_format_beside_other_output_options(server: WireServer, spec: ModelSpec) -> None:
    ask(
        AnthropicProvider(spec),
        make_request(spec, schema={"type": "object"}, extra={"output_config": {"effort": "low"}}),
    )
    form = {"type": "json_schema", "schema": {"type": "object"}}
    assert server.last.body["output_config"] == {"effort": "low", "format": form}


def test_cached_tokens_count_as_input(spec: ModelSpec) -> None:
    (reply,) = ask(AnthropicProvider(spec), make_request(spec, "one two"))
    assert reply.usage == Usage(input_tokens=5, cached_input_tokens=2, output_tokens=5, reasoning_tokens=3)
    assert reply.model == "claude-20260101"
    assert reply.request_id.startswith("req-")


def test_a_reply_without_content_is_an_empty_text(server: WireServer, spec: ModelSpec) -> None:
    server.reply("Say", None)
    (reply,) = ask(AnthropicProvider(spec), make_request(spec))
    assert (reply.text, reply.finish_reason) == ("", "stop")


def test_a_limit_is_told_as_length(spec: ModelSpec) -> None:
    (reply,) = ask(AnthropicProvider(spec), make_request(spec, "a b c d", max_tokens=2))
    assert reply.finish_reason == "length"


@pytest.mark.parametrize("messages", [[("user", "a"), ("system", "b")], [("system", "b")]])
def test_system_messages_come_first_or_not_at_all(server: WireServer, spec: ModelSpec, messages: list) -> None:
    identity = ModelIdentity("anthropic", "claude")
    with pytest.raises(RequestRejected, match="system"):
        ask(AnthropicProvider(spec), Request(identity, tuple(Message(*message) for message in messages)))
    assert server.count == 0


def test_a_refusal_and_thinking_are_told_apart_from_the_text(server: WireServer, spec: ModelSpec) -> None:
    server.tell("Say", refusal="Not this.")
    server.tell("Think", reasoning="Let me see.")
    refused, thought = ask(AnthropicProvider(spec), make_request(spec), make_request(spec, "Think."))
    assert (refused.text, refused.refusal, refused.finish_reason) == ("", "Not this.", "refusal")
    assert (thought.reasoning, thought.refusal, thought.finish_reason) == ("Let me see.", None, "stop")


def test_an_endpoint_may_be_written_with_its_version(server: WireServer, spec: ModelSpec) -> None:
    ask(AnthropicProvider(dataclasses.replace(spec, base_url=server.url + "/v1/")), make_request(spec))
    assert server.last.path == "/v1/messages"


def test_arguments_of_a_call_that_are_no_object_cannot_be_sent_back(server: WireServer, spec: ModelSpec) -> None:
    turns = (Message("user", "a"), Message("assistant", tool_calls=(ToolCall("c", "clock", "[1"),)))
    with pytest.raises(RequestRejected, match="no JSON object"):
        ask(AnthropicProvider(spec), dataclasses.replace(make_request(spec), messages=turns))
    assert server.count == 0


def test_a_seed_is_refused(keys: str) -> None:
    with pytest.raises(SettingsError, match="seed"):
        AnthropicProvider.check(ModelSpec(provider="anthropic", model="claude", seed=1))
