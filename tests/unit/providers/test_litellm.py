from __future__ import annotations

import asyncio
import dataclasses
import logging
import subprocess
import sys

import pytest

from dreamsmk.errors import MissingCredentials, RequestRejected, ServiceUnavailable, SettingsError
from dreamsmk.providers.litellm import LiteLLMProvider
from dreamsmk.providers.litellm_library import load_litellm, without_secrets
from dreamsmk.requests import Response
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.asking import KEY, ask, make_request

pytest.importorskip("openai")


@pytest.fixture
def spec(server: WireServer, keys: str) -> ModelSpec:
    return ModelSpec(provider="litellm", model="openai/gpt", base_url=server.openai_url, timeout_seconds=5)


def test_it_finds_the_key_of_a_service_by_itself(server: WireServer, spec: ModelSpec) -> None:
    (reply,) = ask(LiteLLMProvider(spec), make_request(spec, "one two", system="Be brief."))
    assert server.last.headers["authorization"] == f"Bearer {KEY}"
    assert server.last.body["model"] == "gpt"
    assert (reply.model, reply.system_fingerprint) == ("gpt-2026-01-01", "fp_test")
    assert reply.usage.cached_input_tokens == 1


def test_other_wire_formats_are_litellms_to_write(server: WireServer, spec: ModelSpec) -> None:
    spec = dataclasses.replace(spec, model="anthropic/claude", base_url=server.url)
    (reply,) = ask(LiteLLMProvider(spec), make_request(spec, "Hi", max_tokens=9))
    assert server.last.path == "/v1/messages"
    assert reply.text.startswith("Reply")


def test_a_value_that_the_service_does_not_take_is_an_error_and_never_dropped(
    server: WireServer, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_DROP_PARAMS", "True")
    spec = dataclasses.replace(spec, model="cohere/command-r")
    with pytest.raises(RequestRejected, match="does not support parameters"):
        ask(LiteLLMProvider(spec), make_request(spec, logprobs=2))
    with pytest.raises(RequestRejected, match="user"):
        ask(LiteLLMProvider(spec), make_request(spec, extra={"user": "someone"}))
    assert server.count == 0


def test_an_unknown_service_is_rejected_for_good(spec: ModelSpec) -> None:
    with pytest.raises(RequestRejected, match="LLM Provider NOT provided"):
        ask(LiteLLMProvider(dataclasses.replace(spec, model="nope/x")), make_request(spec))


def test_nothing_is_sent_a_second_time(server: WireServer, spec: ModelSpec) -> None:
    server.fail(status=500)
    with pytest.raises(ServiceUnavailable):
        ask(LiteLLMProvider(spec), make_request(spec))
    assert server.count == 1


def test_vectors_are_asked_for_together(server: WireServer, spec: ModelSpec) -> None:
    requests = [dataclasses.replace(make_request(spec, text), wanted="embedding") for text in ("one", "two")]

    async def together() -> list[Response]:
        provider = LiteLLMProvider(spec)
        try:
            return await provider.complete_many(requests)
        finally:
            await provider.close()

    replies = asyncio.run(together())
    assert server.count == 1
    assert [reply.vector().shape for reply in replies] == [(8,), (8,)]
    assert replies[0].embedding != replies[1].embedding


@pytest.mark.parametrize(
    "values",
    [{"replicas": ("http://127.0.0.1:9",)}, {"options": {"api_key": "x"}}, {"options": {"num_retries": 3}}],
)
def test_what_is_the_engines_or_secret_is_refused(spec: ModelSpec, values: dict) -> None:
    with pytest.raises(SettingsError):
        LiteLLMProvider.check(dataclasses.replace(spec, **values))


def test_a_variable_that_is_named_must_be_set(spec: ModelSpec) -> None:
    with pytest.raises(MissingCredentials, match="MY_OWN_KEY"):
        LiteLLMProvider.check(dataclasses.replace(spec, api_key_env="MY_OWN_KEY"))


def test_secrets_of_the_environment_are_cut_out_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", "co-0123456789")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-0123456789")
    assert without_secrets("the key co-0123456789 or aws-0123456789") == "the key *** or ***"


def test_it_is_quiet(spec: ModelSpec, capfd: pytest.CaptureFixture[str]) -> None:
    litellm = load_litellm()
    ask(LiteLLMProvider(spec), make_request(spec))
    assert (litellm.telemetry, litellm.cache, litellm.drop_params) == (False, None, False)
    assert logging.getLogger("LiteLLM").level == logging.CRITICAL
    assert capfd.readouterr() == ("", "")


def test_its_import_asks_no_server_for_prices() -> None:
    code = (
        "import socket\n"
        "def refuse(*_, **__): raise SystemExit('a socket was opened')\n"
        "socket.getaddrinfo = refuse\n"
        "from dreamsmk.providers.litellm_library import load_litellm; load_litellm()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
