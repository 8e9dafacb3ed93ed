from __future__ import annotations

import dataclasses

import pytest

from dreamsmk.errors import MissingCredentials, SettingsError
from dreamsmk.providers.azure import AzureProvider
from dreamsmk.providers.identity import resolve_identity
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.asking import KEY, ask, make_request


@pytest.fixture
def spec(server: WireServer, keys: str) -> ModelSpec:
    return ModelSpec(provider="azure", model="my deployment", base_url=server.url, timeout_seconds=5)


@pytest.mark.parametrize("end", ["", "/", "/openai", "/openai/v1/"])
def test_the_v1_api_of_the_resource_is_asked_however_its_address_is_written(
    server: WireServer, spec: ModelSpec, end: str
) -> None:
    ask(AzureProvider(dataclasses.replace(spec, base_url=server.url + end)), make_request(spec, "Hi", max_tokens=5))
    assert server.last.path == "/openai/v1/chat/completions"
    assert server.last.headers["api-key"] == KEY
    assert "authorization" not in server.last.headers
    assert server.last.body == {
        "model": "my deployment",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 5,
    }


@pytest.mark.parametrize(("api", "wanted"), [("chat", None), ("completions", None), ("chat", "embedding")])
def test_with_a_version_the_dated_api_of_the_deployment_is_asked(
    server: WireServer, spec: ModelSpec, api: str, wanted: str | None
) -> None:
    options = {"api_version": "2024-10-21", "user": "someone"}
    spec = dataclasses.replace(spec, api=api, options=options)
    ask(AzureProvider(spec), dataclasses.replace(make_request(spec), wanted=wanted))
    end = "embeddings" if wanted else {"chat": "chat/completions"}.get(api, api)
    assert server.last.path == f"/openai/deployments/my deployment/{end}"
    assert server.last.query == {"api-version": "2024-10-21"}
    assert "api_version" not in server.last.body
    assert server.last.body["user"] == "someone"


def test_the_version_is_part_of_the_identity(spec: ModelSpec) -> None:
    dated = dataclasses.replace(spec, options={"api_version": "2024-10-21"})
    first, second = (resolve_identity(each, lambda _: "") for each in (spec, dated))
    assert first != second


@pytest.mark.parametrize(
    "values",
    [{"base_url": None}, {"options": {"api_version": 2024}}, {"api": "responses", "options": {"api_version": "2024"}}],
)
def test_what_azure_cannot_do_is_found_before_the_first_call(spec: ModelSpec, values: dict) -> None:
    with pytest.raises(SettingsError):
        AzureProvider.check(dataclasses.replace(spec, **values))


def test_the_key_is_azures_own(spec: ModelSpec, no_keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(MissingCredentials, match="AZURE_OPENAI_API_KEY"):
        AzureProvider.check(spec)
