"""Which providers have a batch API, and what they say of it before anything is sent."""

from __future__ import annotations

import io
import re

import orjson
import pytest

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers import PROVIDERS, provider_class
from dreamsmk.providers.anthropic import AnthropicProvider
from dreamsmk.providers.azure import AzureProvider
from dreamsmk.providers.batches import BatchService, custom_id
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.settings import ModelSpec
from tests.wire.asking import KEY, make_request

# Anthropic's own pattern; OpenAI has none.
CUSTOM_ID = re.compile("^[a-zA-Z0-9_-]{1,64}$")


def service(name: str) -> BatchService:
    spec = ModelSpec(provider=name, model="a-model", mode="batch")
    return (OpenAIProvider if name == "openai" else AnthropicProvider)(spec).batches()


@pytest.mark.parametrize("name", [name for name in PROVIDERS if not provider_class(name).capabilities.has_batch])
def test_batch_mode_is_refused_where_there_is_no_batch_api(name, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    with pytest.raises(SettingsError, match="has no batch API"):
        provider_class(name).check(
            ModelSpec(provider=name, model="a", mode="batch", base_url="http://a" if name == "azure" else None)
        )


def test_a_provider_that_only_looks_like_openai_has_none_of_its_batches():
    with pytest.raises(RequestRejected, match="has no batch API"):
        AzureProvider(ModelSpec(provider="azure", model="a", base_url="http://a")).batches()


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_line_is_the_body_of_a_live_call_under_a_name_that_fits(name):
    batches = service(name)
    request = make_request(batches.provider.spec, "Look.", max_tokens=5)
    line = orjson.loads(batches.line(custom_id(request.key()), request))
    assert CUSTOM_ID.match(line["custom_id"])
    assert f"sha256:{line['custom_id']}" == request.key()
    assert (line["body"] if name == "openai" else line["params"]) == batches.provider.body(request)


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_what_cannot_be_said_in_the_api_is_no_line(name):
    batches = service(name)
    with pytest.raises(RequestRejected):
        batches.line("a", make_request(batches.provider.spec, min_p=0.1))


@pytest.mark.parametrize("name", ["openai", "anthropic"])
@pytest.mark.parametrize("count", [1, 3])
def test_the_size_of_an_input_is_known_before_it_is_written(name, count):
    batches = service(name)
    lines = [batches.line(f"id{n}", make_request(batches.provider.spec, f"é {n}")) for n in range(count)]
    file = io.BytesIO()
    batches.INPUT.write(lines, file)
    content = file.getvalue()
    assert len(content) == batches.INPUT.size_bytes(count, sum(map(len, lines)))
    found = (
        [orjson.loads(line) for line in content.splitlines()] if name == "openai" else orjson.loads(content)["requests"]
    )
    assert [line["custom_id"] for line in found] == [f"id{n}" for n in range(count)]


def test_no_client_is_loaded_before_the_service_is_asked():
    batches = service("openai")
    batches.line("a", make_request(batches.provider.spec))
    assert batches._opened is None
    batches.close()
