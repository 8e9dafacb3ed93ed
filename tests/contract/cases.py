"""The providers as the contract suites open them. A new provider gets its line here, or its reason in `ELSEWHERE`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from dreamsmk.providers import Provider, open_provider, provider_class
from dreamsmk.providers.base import Capabilities
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer

KEY_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY")

# Services by the name of the case: the provider and what else the spec says; `URL` is the wire server's.
SERVICES = {
    "anthropic": {"base_url": "URL"},
    "azure": {"base_url": "URL"},
    "azure-dated": {"base_url": "URL", "options": {"api_version": "2024-10-21"}},
    "litellm": {"base_url": "URL/v1", "model": "openai/a-model", "api_key_env": "OPENAI_API_KEY"},
    "openai": {"base_url": "URL/v1"},
    "openai-completions": {"base_url": "URL/v1", "api": "completions"},
    "openai-responses": {"base_url": "URL/v1", "api": "responses"},
}
LOCAL = ("echo", "transformers")

# Providers whose contract is held elsewhere, and why.
ELSEWHERE = {
    "classifier": "it gives no text: test_local_providers",
    "llamacpp": "its package is an extra that is not always there: test_local_providers",
    "sentence_transformers": "it gives no text: test_local_providers",
    "vllm": "it needs a GPU: test_local_providers, tests/gpu",
}


@dataclass(frozen=True)
class Case:
    """A provider under test; `server` is the service behind it, where there is one."""

    name: str
    spec: ModelSpec
    server: WireServer | None = None

    def open(self, **values) -> Provider:
        return open_provider(dataclasses.replace(self.spec, **values))

    @property
    def type(self) -> type[Provider]:
        return provider_class(self.spec.provider)

    @property
    def capabilities(self) -> Capabilities:
        """What the provider takes, for the API that the spec asks for."""
        return self.type.capabilities_of(self.spec)


def service_case(name: str, server: WireServer) -> Case:
    """Returns a service that the wire server stands for."""
    values = {"model": "a-model", "timeout_seconds": 5, **SERVICES[name]}
    values["base_url"] = str(values["base_url"]).replace("URL", server.url)
    return Case(name, ModelSpec(provider=name.partition("-")[0], **values), server)


def local_case(name: str, tiny: Path) -> Case:
    """Returns a provider that asks no service."""
    local = {"model": str(tiny), "dtype": "float32", "device": "cpu", "max_tokens": 8}
    return Case(name, ModelSpec(provider=name, **(local if name == "transformers" else {"model": "a-model"})))
