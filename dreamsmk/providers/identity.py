"""Which model a model spec means, told without any path.

Contract: two specs that give the same `ModelIdentity` give interchangeable replies. A folder is told by the digest of
its content, so that moving it changes nothing and training it anew changes everything; an endpoint is told in one
spelling, and the provider's own endpoint not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dreamsmk.errors import SettingsError
from dreamsmk.providers.registry import provider_class
from dreamsmk.providers.tuned import tuned_path
from dreamsmk.requests import ModelIdentity
from dreamsmk.settings import ModelSpec


def resolve_identity(spec: ModelSpec, digest_folder: Callable[[Path], str]) -> ModelIdentity:
    """Returns the identity of the model that a spec means.

    Args:
        spec: The model spec.
        digest_folder: Gives the digest of a model or adapter folder, or of a GGUF file; it decides what happens where
            there is none yet. A service's model id is never taken for a folder, whatever it looks like; a fine-tuned
            model of a service may be named by a file (`tuned`).

    Raises:
        SettingsError: There is no such provider, or the file of the chat template is missing.
    """
    capabilities = provider_class(spec.provider).capabilities

    def named(text: str) -> str:
        is_folder = capabilities.is_local and is_local_path(text)
        return digest_folder(Path(text).expanduser()) if is_folder else text

    tuned = tuned_path(spec)
    return ModelIdentity(
        provider=spec.provider,
        model=named(spec.model) if tuned is None else digest_folder(tuned.expanduser()),
        revision=spec.revision,
        adapter=None if spec.adapter is None else named(spec.adapter),
        quantization=spec.quantization,
        dtype=spec.dtype,
        base_url=normal_base_url(spec.base_url, capabilities.default_base_url),
        api=None if spec.api in capabilities.apis[:1] else spec.api,
        chat_template=chat_template_text(spec.chat_template),
        options={name: value for name, value in spec.options.items() if name not in capabilities.execution_options},
    )


def is_local_path(text: str) -> bool:
    """Whether a model or adapter is named by a folder or a GGUF file: one that exists, or what can be nothing else."""
    return text.startswith(("/", "./", "../", "~")) or text.endswith(".gguf") or Path(text).is_dir()


def normal_base_url(base_url: str | None, default: str | None = None) -> str | None:
    """Returns an endpoint in its one spelling (lower-case host, no slash at the end), or None for the default one."""
    if base_url is None:
        return None
    parts = urlsplit(base_url.strip())
    normal = urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/"), parts.query, ""))
    return None if normal == default else normal


def chat_template_text(chat_template: str | None) -> str | None:
    """Returns a chat template's text: what is given, or the content of the file that it names.

    A Jinja template without a single brace would say the same to every prompt, so that such a text names a file.

    Raises:
        SettingsError: There is no such file.
    """
    if chat_template is None or "{" in chat_template:
        return chat_template
    try:
        return Path(chat_template).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "a chat template is neither Jinja nor a file that can be read",
            where=f"chat_template: {chat_template[:80]}",
            hint="give the template's text, or the path of its file",
        ) from error
