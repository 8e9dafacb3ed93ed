from __future__ import annotations

import asyncio

import pytest

from dreamsmk.errors import RequestRejected
from dreamsmk.providers import open_provider
from dreamsmk.providers.http_provider import HttpProvider
from dreamsmk.providers.model_facts import ModelFacts, read_facts
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.asking import ask, make_request

TOO_LONG = "This model's maximum context length is 512 tokens. However, you requested 900 tokens."


@pytest.fixture
def spec(server: WireServer, keys: str) -> ModelSpec:
    return ModelSpec(provider="openai", model="gpt", base_url=server.openai_url, timeout_seconds=5)


def facts(spec: ModelSpec) -> ModelFacts | None:
    provider = open_provider(spec)
    assert isinstance(provider, HttpProvider)

    async def told() -> ModelFacts | None:
        try:
            return await provider.facts()
        finally:
            await provider.close()

    return asyncio.run(told())


@pytest.mark.parametrize(
    ("entry", "context", "output"),
    [
        ({"max_model_len": 4096}, 4096, None),
        ({"meta": {"n_ctx_train": 2048, "n_ctx": 1024}}, 1024, None),
        ({"meta": {"n_ctx_train": 2048}}, 2048, None),
        ({"context_length": 8192, "max_completion_tokens": 512}, 8192, 512),
        ({"max_input_tokens": 200_000, "max_tokens": 64_000}, 200_000, 64_000),
    ],
)
def test_the_facts_are_read_where_servers_tell_them(entry: dict, context: int, output: int | None) -> None:
    assert read_facts(entry) == ModelFacts(context, output)


@pytest.mark.parametrize("entry", [{}, {"max_model_len": None}, {"max_model_len": True, "meta": None}])
def test_what_is_not_told_is_not_known(entry: dict) -> None:
    assert read_facts(entry) is None


def test_they_are_asked_for_by_the_models_own_name(server: WireServer, spec: ModelSpec) -> None:
    server.models |= {"other": {"max_model_len": 7}, "gpt": {"max_model_len": 512}}
    assert facts(spec) == ModelFacts(512, None)
    server.models.pop("gpt")
    server.models["third"] = {}
    assert facts(spec) is None


def test_anthropic_tells_input_and_output(server: WireServer, keys: str) -> None:
    server.models["claude"] = {"max_input_tokens": 1000, "max_tokens": 100}
    spec = ModelSpec(provider="anthropic", model="claude", base_url=server.url, timeout_seconds=5)
    assert facts(spec) == ModelFacts(1000, 100)
    assert server.looks == ["/v1/models/claude"]


def test_openai_and_azure_are_not_asked_in_vain(server: WireServer, keys: str) -> None:
    assert facts(ModelSpec(provider="openai", model="gpt")) is None
    assert facts(ModelSpec(provider="azure", model="gpt", base_url=server.url)) is None
    assert server.looks == []


def test_no_request_is_made_for_them_until_a_prompt_is_too_long_and_then_one(
    server: WireServer, spec: ModelSpec
) -> None:
    server.models["gpt"] = {"max_model_len": 512}
    provider = open_provider(spec)
    ask(provider, make_request(spec))
    assert server.looks == []
    server.fail(status=400, message=TOO_LONG)
    with pytest.raises(RequestRejected, match=r"hint: the service says .* context of 512 tokens") as caught:
        ask(provider, *(make_request(spec, f"number {n}") for n in range(10)))
    assert caught.value.status == 400
    assert str(caught.value).count("\n") <= 2
    assert server.looks == ["/v1/models"]


def test_a_server_without_a_list_of_models_changes_nothing_of_the_error(server: WireServer, spec: ModelSpec) -> None:
    server.fail(status=400, message=TOO_LONG)
    with pytest.raises(RequestRejected, match="maximum context length is 512"):
        ask(open_provider(spec), make_request(spec))
