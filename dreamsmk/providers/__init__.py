"""Services and local models: one Request in, one Response out."""

from dreamsmk.providers.base import Capabilities, LocalProvider, Provider, ServiceProvider
from dreamsmk.providers.identity import is_local_path, resolve_identity
from dreamsmk.providers.registry import PROVIDERS, open_provider, provider_class

__all__ = [
    "PROVIDERS",
    "Capabilities",
    "LocalProvider",
    "Provider",
    "ServiceProvider",
    "is_local_path",
    "open_provider",
    "provider_class",
    "resolve_identity",
]
