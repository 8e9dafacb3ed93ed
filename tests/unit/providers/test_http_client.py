from __future__ import annotations

import asyncio
import dataclasses

import pytest

from dreamsmk.errors import RequestRejected, ServiceUnavailable
from dreamsmk.providers.http_client import environment_proxy
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.asking import ask, make_request

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def spec(server: WireServer, keys: str, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return ModelSpec(provider="openai", model="gpt", base_url=server.openai_url, timeout_seconds=5)


def answered(server: WireServer, spec: ModelSpec, status: int, body: str, **headers: str) -> None:
    """Asks a server that gives one fixed answer to everything."""
    lines = [f"HTTP/1.1 {status} Words", f"content-length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]

    async def fixed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write("\r\n".join([*lines, "", body]).encode("latin-1"))
        await writer.drain()
        writer.close()

    async def asking() -> None:
        listening = await asyncio.start_server(fixed, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        provider = OpenAIProvider(dataclasses.replace(spec, base_url=f"http://127.0.0.1:{port}/v1"))
        try:
            await provider.complete(make_request(spec))
        finally:
            await provider.close()
            listening.close()

    asyncio.run(asking())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "too loud", "code": "loud"}}', "too loud"),
        ('{"error": "too loud"}', "too loud"),
        ('{"detail": "too loud"}', "too loud"),
        ('{"object": "error", "message": "too loud"}', "too loud"),
        ("too loud", "too loud"),
        ('["too loud"]', "too loud"),
        ("", "no reason given"),
    ],
)
def test_the_words_of_an_error_are_found_wherever_servers_put_them(
    server: WireServer, spec: ModelSpec, body: str, words: str
) -> None:
    with pytest.raises(RequestRejected, match=f"openai says 400: .*{words}"):
        answered(server, spec, 400, body)


def test_a_redirect_is_not_followed_with_the_key(server: WireServer, spec: ModelSpec) -> None:
    with pytest.raises(RequestRejected, match=r"moved to https://elsewhere.example/v1"):
        answered(server, spec, 308, "", location="https://me:pw@elsewhere.example/v1?x=1")


def test_numbers_that_json_does_not_know_are_read_all_the_same(server: WireServer, spec: ModelSpec) -> None:
    body = '{"choices": [{"message": {"content": "x"}, "finish_reason": "stop", "logprobs": {"content": [%s]}}]}'
    token = '{"token": "x", "logprob": -Infinity, "top_logprobs": [{"token": "y", "logprob": NaN}]}'
    answered(server, spec, 200, body % token)


@pytest.mark.parametrize("body", ["[]", '"text"', "\xff\xfe", "{"])
def test_what_is_no_json_object_is_unavailable_and_shown(server: WireServer, spec: ModelSpec, body: str) -> None:
    with pytest.raises(ServiceUnavailable, match="no JSON object"):
        answered(server, spec, 200, body)


def test_an_address_of_another_scheme_is_rejected(spec: ModelSpec) -> None:
    with pytest.raises(RequestRejected, match="no such address"):
        ask(OpenAIProvider(dataclasses.replace(spec, base_url="ftp://127.0.0.1/v1")), make_request(spec))


def test_a_key_that_no_header_can_hold_is_rejected_and_not_shown(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\nvalue")
    with pytest.raises(RequestRejected) as caught:
        ask(OpenAIProvider(spec), make_request(spec))
    assert "secret" not in str(caught.value)


def test_the_proxy_of_the_environment_is_asked_and_no_proxy_is_obeyed(
    server: WireServer, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        ask(OpenAIProvider(spec), make_request(spec))
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert ask(OpenAIProvider(spec), make_request(spec))[0].text
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert environment_proxy("https://api.openai.com/v1") == "http://proxy.example:3128"
    assert environment_proxy("https://127.0.0.1/v1") is None


def test_passwords_of_the_netrc_file_are_not_sent(
    server: WireServer, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(OpenAIProvider(spec), make_request(spec))
    assert server.last.headers["authorization"].startswith("Bearer ")


def test_connections_are_kept_and_as_many_as_there_are_requests_in_flight(server: WireServer, spec: ModelSpec) -> None:
    server.latency_seconds = 0.3
    ask(OpenAIProvider(spec), *(make_request(spec, f"number {n}") for n in range(150)))
    assert server.peak == 150
    server.clear()
    provider = OpenAIProvider(spec)

    async def one_after_another() -> int:
        for n in range(5):
            await provider.complete(make_request(spec, f"number {n}"))
        connections = len(provider._client._session.connector._conns)
        await provider.close()
        return connections

    assert asyncio.run(one_after_another()) == 1


def test_no_cookie_is_kept(server: WireServer, spec: ModelSpec) -> None:
    ask(OpenAIProvider(spec), make_request(spec))
    assert "cookie" not in server.last.headers
