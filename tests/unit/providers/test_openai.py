from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from dreamsmk.errors import RequestRejected, ServiceUnavailable, SettingsError
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.requests import Usage
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.asking import KEY, ask, make_request


@pytest.fixture
def spec(server: WireServer, keys: str) -> ModelSpec:
    return ModelSpec(provider="openai", model="gpt", base_url=server.openai_url, timeout_seconds=5)


def test_the_body_holds_what_was_asked_for_and_nothing_else(server: WireServer, spec: ModelSpec) -> None:
    request = make_request(
        spec, "Hi", system="Be brief.", temperature=0.0, top_p=0.5, stop=("END",), seed=7, max_tokens=9
    )
    ask(OpenAIProvider(spec), request)
    assert server.last.body == {
        "model": "gpt",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["END"],
        "seed": 7,
        "max_tokens": 9,
    }
    assert server.last.headers["authorization"] == f"Bearer {KEY}"


def test_a_bare_request_sends_only_model_and_messages(server: WireServer, spec: ModelSpec) -> None:
    ask(OpenAIProvider(spec), make_request(spec, "Hi"))
    assert set(server.last.body) == {"model", "messages"}


def test_openai_itself_is_sent_max_completion_tokens() -> None:
    spec = ModelSpec(provider="openai", model="gpt", base_url="https://api.openai.com/v1/")
    for given in (spec, ModelSpec(provider="openai", model="gpt")):
        body = OpenAIProvider(given).body(make_request(given, max_tokens=5))
        assert body["max_completion_tokens"] == 5
        assert "max_tokens" not in body


def test_extra_and_options_reach_the_body(server: WireServer, spec: ModelSpec) -> None:
    spec = ModelSpec(provider="openai", model="gpt", base_url=spec.base_url, options={"reasoning_effort": "low"})
    ask(OpenAIProvider(spec), make_request(spec, extra={"top_k": 5, "min_p": 0.1}))
    assert {"reasoning_effort": "low", "top_k": 5, "min_p": 0.1}.items() <= server.last.body.items()


@pytest.mark.parametrize("name", ["stream", "n", "model", "messages", "temperature"])
def test_extra_cannot_change_what_a_call_is(server: WireServer, spec: ModelSpec, name: str) -> None:
    with pytest.raises(RequestRejected, match=name):
        ask(OpenAIProvider(spec), make_request(spec, extra={name: 2}))
    with pytest.raises(SettingsError, match=name):
        OpenAIProvider.check(ModelSpec(provider="openai", model="gpt", options={name: 2}))
    assert server.count == 0


def test_further_samples_get_seeds_of_their_own(server: WireServer, spec: ModelSpec) -> None:
    ask(OpenAIProvider(spec), *(make_request(spec, seed=7, sample=n) for n in range(4)))
    seeds = {recorded.body["seed"] for recorded in server.requests}
    assert len(seeds) == 4
    assert 7 in seeds
    ask(OpenAIProvider(spec), make_request(spec, sample=3))
    assert "seed" not in server.last.body


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_schema_becomes_a_response_format_that_is_strict_where_the_schema_is(
    server: WireServer, spec: ModelSpec, is_closed: bool
) -> None:
    schema = {"type": "object", "properties": {}} | ({"additionalProperties": False} if is_closed else {})
    ask(OpenAIProvider(spec), make_request(spec, schema=schema))
    form = {"name": "reply", "schema": schema, "strict": is_closed}
    assert server.last.body["response_format"]["json_schema"] == form


def test_a_tool_without_a_name_is_refused(server: WireServer, spec: ModelSpec) -> None:
    with pytest.raises(RequestRejected, match="no name"):
        ask(OpenAIProvider(spec), make_request(spec, tools=({"type": "function"},)))
    assert server.count == 0


def test_what_stands_in_the_body_already_cannot_be_given_again(server: WireServer, spec: ModelSpec) -> None:
    spec = dataclasses.replace(spec, options={"response_format": {"type": "json_object"}})
    ask(OpenAIProvider(spec), make_request(spec))
    assert server.last.body["response_format"] == {"type": "json_object"}
    with pytest.raises(RequestRejected, match=r"response_format.type is given twice"):
        ask(OpenAIProvider(spec), make_request(spec, schema={"type": "object"}))


def test_tools_of_the_service_itself_go_beside_ones_own(server: WireServer, spec: ModelSpec) -> None:
    spec = dataclasses.replace(spec, api="responses", options={"tools": [{"type": "web_search"}]})
    body = OpenAIProvider(spec).body(make_request(spec, tools=({"name": "clock"},)))
    assert [tool["type"] for tool in body["tools"]] == ["function", "web_search"]


def test_a_refusal_and_reasoning_are_told_apart_from_the_text(server: WireServer, spec: ModelSpec) -> None:
    server.tell("Say", refusal="I will not.")
    server.tell("Think", reasoning="Let me see.")
    for api in ("chat", "responses"):
        provider = OpenAIProvider(dataclasses.replace(spec, api=api))
        refused, thought = ask(provider, make_request(spec), make_request(spec, "Think."))
        assert (refused.text, refused.refusal, refused.finish_reason) == ("", "I will not.", "refusal")
        assert (thought.reasoning, thought.refusal, thought.finish_reason) == ("Let me see.", None, "stop")


def test_responses_are_not_kept_at_the_service_unless_options_say_so(server: WireServer, spec: ModelSpec) -> None:
    for options, expected in ({}, False), ({"store": True}, True):
        spec = dataclasses.replace(spec, api="responses", options=options)
        ask(OpenAIProvider(spec), make_request(spec))
        assert server.last.body["store"] is expected


def test_a_response_tells_usage_its_end_and_ids(spec: ModelSpec) -> None:
    spec = dataclasses.replace(spec, api="responses")
    (reply,) = ask(OpenAIProvider(spec), make_request(spec, "one two", max_tokens=2))
    assert reply.usage == Usage(input_tokens=2, cached_input_tokens=1, output_tokens=2, reasoning_tokens=2)
    assert (reply.finish_reason, reply.model) == ("length", "gpt-2026-01-01")
    assert reply.request_id.startswith("req-")


def test_an_api_refuses_the_sampling_values_that_it_does_not_know(keys: str) -> None:
    with pytest.raises(SettingsError, match="'responses' of 'openai' takes no 'stop'"):
        OpenAIProvider.check(ModelSpec(provider="openai", model="gpt", api="responses", stop=("x",)))


BARE = {
    "chat": {"choices": [{"message": {"content": "yes"}}]},
    "responses": {"output": [{"type": "message", "content": [{"type": "output_text", "text": "yes"}]}]},
    "completions": {"choices": [{"text": "yes"}]},
}


@pytest.mark.parametrize("api", sorted(BARE))
def test_of_a_reply_only_the_text_is_required(spec: ModelSpec, api: str) -> None:
    reply = OpenAIProvider(dataclasses.replace(spec, api=api)).read(BARE[api], make_request(spec))
    assert (reply.text, reply.finish_reason, reply.model, reply.usage) == ("yes", "stop", "gpt", Usage())


@pytest.mark.parametrize("api", sorted(BARE))
@pytest.mark.parametrize("reply", [{}, {"choices": []}, {"choices": [{}]}, {"output": None}, {"choices": [None]}])
def test_what_holds_no_text_is_no_reply(spec: ModelSpec, api: str, reply: dict) -> None:
    with pytest.raises(ServiceUnavailable, match="sent no"):
        OpenAIProvider(dataclasses.replace(spec, api=api)).read(reply, make_request(spec))


def test_what_servers_write_otherwise_is_understood(spec: ModelSpec) -> None:
    call = {"function": {"name": "clock", "arguments": {"zone": "utc"}}}
    message = {"content": None, "tool_calls": [call], "reasoning": "hm"}
    usage = {"prompt_tokens": 5, "completion_tokens": None, "prompt_cache_hit_tokens": 3}
    reply = OpenAIProvider(spec).read({"choices": [{"message": message}], "usage": usage}, make_request(spec))
    assert (reply.tool_calls[0].id, reply.tool_calls[0].arguments) == ("call_0", '{"zone":"utc"}')
    assert (reply.finish_reason, reply.reasoning) == ("tool_calls", "hm")
    assert reply.usage == Usage(input_tokens=5, cached_input_tokens=3)


def test_it_works_without_the_vendors_package(server: WireServer, spec: ModelSpec) -> None:
    code = (
        "import asyncio, sys; sys.modules['openai'] = sys.modules['anthropic'] = None\n"
        "from dreamsmk.providers import open_provider, provider_class; from dreamsmk.settings import ModelSpec\n"
        "from tests.wire.asking import ask, make_request\n"
        "for name, end in (('openai', '/v1'), ('anthropic', ''), ('azure', '')):\n"
        f"    spec = ModelSpec(provider=name, model='m', base_url='{server.url}' + end)\n"
        "    provider_class(name).check(spec); ask(open_provider(spec), make_request(spec))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert server.count == 3


def test_model_usage_and_ids_are_as_the_service_reports_them(spec: ModelSpec) -> None:
    (reply,) = ask(OpenAIProvider(spec), make_request(spec, "one two"))
    assert reply.model == "gpt-2026-01-01"
    assert reply.usage == Usage(input_tokens=2, cached_input_tokens=1, output_tokens=5, reasoning_tokens=2)
    assert reply.request_id.startswith("req-")
    assert reply.system_fingerprint == "fp_test"


def test_a_reply_without_content_is_an_empty_text(server: WireServer, spec: ModelSpec) -> None:
    server.reply("Say", None)
    (reply,) = ask(OpenAIProvider(spec), make_request(spec))
    assert (reply.text, reply.finish_reason) == ("", "stop")


def test_a_limit_is_told_as_length(spec: ModelSpec) -> None:
    (reply,) = ask(OpenAIProvider(spec), make_request(spec, "a b c d", max_tokens=2))
    assert reply.finish_reason == "length"


def test_no_key_sends_a_placeholder_to_a_server_of_ones_own(server: WireServer, spec: ModelSpec, no_keys: None) -> None:
    ask(OpenAIProvider(spec), make_request(spec))
    assert server.last.headers["authorization"] == "Bearer none"


def test_the_environment_does_not_redirect_calls(
    server: WireServer, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    ask(OpenAIProvider(spec), make_request(spec))
    assert server.count == 1
    assert OpenAIProvider(spec).address(None) == "https://api.openai.com/v1"


def test_a_spent_quota_is_not_asked_again(server: WireServer, spec: ModelSpec) -> None:
    server.fail(status=429, code="insufficient_quota")
    with pytest.raises(RequestRejected, match="429"):
        ask(OpenAIProvider(spec), make_request(spec))


def test_an_error_in_a_reply_of_200_is_told_in_its_words(server: WireServer, spec: ModelSpec) -> None:
    server.fail("empty", message="upstream is busy")
    with pytest.raises(ServiceUnavailable, match="upstream is busy"):
        ask(OpenAIProvider(spec), make_request(spec))


def test_an_adapter_is_refused(keys: str) -> None:
    with pytest.raises(SettingsError, match="adapter"):
        OpenAIProvider.check(ModelSpec(provider="openai", model="gpt", adapter="a"))
