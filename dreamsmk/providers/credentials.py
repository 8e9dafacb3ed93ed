"""API keys and endpoints of services.

Contract: a key comes from the environment alone and goes to the client library alone. No object of dreamsmk holds
one, and no message, `repr` or record shows one.
"""

from __future__ import annotations

import dataclasses
import os
from urllib.parse import urlsplit

from dreamsmk.errors import MissingCredentials, SettingsError
from dreamsmk.settings import ModelSpec

PLACEHOLDER_KEY = "none"


def read_api_key(spec: ModelSpec, usual_env: str, *, is_optional: bool = False) -> str:
    """Returns the API key of a model spec.

    Args:
        spec: The model spec; its `api_key_env` names the variable.
        usual_env: The variable to read where the spec names none.
        is_optional: Whether a placeholder does where the spec names no variable and `usual_env` is not set.

    Raises:
        MissingCredentials: The variable is not set, or is empty.
    """
    name = spec.api_key_env or usual_env
    key = os.environ.get(name, "").strip()
    if key:
        return key
    if is_optional and spec.api_key_env is None:
        return PLACEHOLDER_KEY
    raise MissingCredentials(
        f"there is no API key for the model {spec.model!r}",
        where=f"environment variable {name}",
        hint=f"export {name}=…",
    )


def check_base_url(spec: ModelSpec) -> None:
    """Raises `SettingsError` for an endpoint that is no URL, or that carries a user name or password.

    The endpoint is part of the model's identity, which is kept and published: nothing secret may stand in it.
    """
    if spec.base_url is None:
        return
    parts = urlsplit(spec.base_url.strip())
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise SettingsError(
            "base_url is no http:// or https:// URL",
            where=f"base_url: {spec.base_url.rpartition('@')[2]}",
            hint="write it like http://127.0.0.1:8000/v1",
        )
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "base_url must not hold a user name or password",
            hint="give the key in an environment variable and name that in api_key_env",
        )


def check_replicas(spec: ModelSpec) -> None:
    """Raises `SettingsError` for replicas of no endpoint, or of the wrong form."""
    if spec.replicas and spec.base_url is None:
        raise SettingsError(
            "replicas stand beside a base_url, and there is none", hint="give one of the endpoints as base_url"
        )
    for url in spec.replicas:
        check_base_url(dataclasses.replace(spec, base_url=url))


def without_key(text: str, key: str) -> str:
    """Returns a service's words without the API key, which some services repeat in theirs."""
    return text if key in {"", PLACEHOLDER_KEY} else text.replace(key, "***")
