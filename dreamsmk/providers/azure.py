"""The provider `azure`: OpenAI's models at Azure. The model is the name of a deployment.

Contract: `base_url` is the resource, `https://NAME.openai.azure.com`. The requests go to its v1 API, or with `options:
{api_version: …}` to the dated API of the deployment. All else is as with the provider `openai`.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar
from urllib.parse import quote, urlencode

from dreamsmk.errors import SettingsError
from dreamsmk.providers.base import Capabilities
from dreamsmk.providers.credentials import read_api_key
from dreamsmk.providers.model_facts import ModelFacts
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.requests import Request
from dreamsmk.settings import ModelSpec

KEY_ENV = "AZURE_OPENAI_API_KEY"
VERSION = "api_version"


class AzureProvider(OpenAIProvider):
    """A deployment at Azure."""

    capabilities: ClassVar[Capabilities] = dataclasses.replace(
        OpenAIProvider.capabilities,
        fields=frozenset({"base_url", "options", "revision"}),
        has_batch=False,
        default_base_url=None,
    )

    def __init__(self, spec: ModelSpec) -> None:
        self._version = spec.options.get(VERSION)
        super().__init__(spec)
        self._options = {name: value for name, value in spec.options.items() if name != VERSION}
        # Azure serves OpenAI's own models
        self._limit_name = "max_completion_tokens"

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds a missing resource, a wrong version, and what `openai` does."""
        if spec.base_url is None:
            raise SettingsError(
                "azure needs the address of your resource", hint="base_url: https://NAME.openai.azure.com"
            )
        if not isinstance(spec.options.get(VERSION, ""), str):
            raise SettingsError("the option 'api_version' must be a text", hint='api_version: "2024-10-21"')
        if spec.api == "responses" and VERSION in spec.options:
            raise SettingsError("the responses API is part of Azure's v1 API alone", hint="leave out api_version")
        super().check(spec)

    @classmethod
    def key(cls, spec: ModelSpec) -> str:
        """Returns the API key of the resource."""
        return read_api_key(spec, KEY_ENV)

    def address(self, base_url: str | None) -> str:
        """Returns what the routes stand under: the v1 API, or the deployment."""
        resource = (base_url or "").strip().rstrip("/").removesuffix("/openai/v1").removesuffix("/openai")
        if self._version is None:
            return f"{resource}/openai/v1"
        return f"{resource}/openai/deployments/{quote(self.spec.model, safe='')}"

    def headers(self, key: str) -> dict[str, str]:
        """Returns the header that carries the key."""
        return {"api-key": key}

    def route(self, request: Request) -> str:
        """Returns the path of the API that answers a request."""
        route = super().route(request)
        return route if self._version is None else f"{route}?{urlencode({'api-version': self._version})}"

    async def read_facts(self) -> ModelFacts | None:
        """Azure tells nothing of its models' limits."""
        return None
