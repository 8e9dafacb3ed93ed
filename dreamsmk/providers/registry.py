"""The providers by name, each loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.providers.base import Provider
from dreamsmk.settings import ModelSpec

PROVIDERS = {
    "anthropic": "dreamsmk.providers.anthropic:AnthropicProvider",
    "azure": "dreamsmk.providers.azure:AzureProvider",
    "classifier": "dreamsmk.providers.classifier:ClassifierProvider",
    "echo": "dreamsmk.providers.echo:EchoProvider",
    "litellm": "dreamsmk.providers.litellm:LiteLLMProvider",
    "llamacpp": "dreamsmk.providers.llamacpp:LlamaCppProvider",
    "openai": "dreamsmk.providers.openai:OpenAIProvider",
    "sentence_transformers": "dreamsmk.providers.sentence_transformers:SentenceTransformersProvider",
    "transformers": "dreamsmk.providers.transformers:TransformersProvider",
    "vllm": "dreamsmk.providers.vllm:VllmProvider",
}


def provider_class(name: str) -> type[Provider]:
    """Returns the class of a provider.

    Raises:
        SettingsError: There is no provider of that name.
    """
    if name not in PROVIDERS:
        raise SettingsError(f"there is no provider {name!r}", hint=nearest(name, PROVIDERS))
    module, _, attribute = PROVIDERS[name].partition(":")
    found: type[Provider] = getattr(import_module(module), attribute)
    return found


def open_provider(spec: ModelSpec) -> Provider:
    """Returns the model of a spec, ready to be asked; the model itself is loaded by the first call."""
    return provider_class(spec.provider)(spec)
