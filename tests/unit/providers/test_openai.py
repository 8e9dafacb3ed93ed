from __future__ import annotations

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
        body = OpenAIProvider(given)._body(make_request(given, max_tokens=5))
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


def test_a_schema_becomes_a_response_format(server: WireServer, spec: ModelSpec) -> None:
    schema = {"type": "object", "properties": {}}
    ask(OpenAIProvider(spec), make_request(spec, schema=schema))
    assert server.last.body["response_format"]["json_schema"] == {"name": "reply", "schema": schema, "strict": True}


def test_tools_are_refused_because_a_reply_could_not_hold_their_calls(server: WireServer, spec: ModelSpec) -> None:
    with pytest.raises(RequestRejected, match="no tools"):
        ask(OpenAIProvider(spec), make_request(spec, tools=({"type": "function"},)))
    assert server.count == 0


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
    client = OpenAIProvider(ModelSpec(provider="openai", model="gpt"))._open()
    assert str(client.base_url) == "https://api.openai.com/v1/"


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
