"""What never stands in a card: absolute paths, folders of a user, secrets, private endpoints.

Contract: a card is made to be published, so everything that enters one goes through this module. Settings (parameters,
paths, endpoints) are rewritten by `public_setting` and `public_path`; text that should stay as it is (prompts, samples,
what the user wrote) only loses secrets and the names of private folders, by `without_secrets`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

PRIVATE_ENDPOINT = "private endpoint"
REMOVED = "[secret removed]"

_SECRETS = re.compile(
    r"""(?sx)
    \bhf_[A-Za-z0-9]{30,} | \bsk-[A-Za-z0-9_-]{20,} | \bAKIA[0-9A-Z]{16}\b | \bAIza[0-9A-Za-z_-]{35} |
    \bgh[pousr]_[A-Za-z0-9]{36,} | \beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,} |
    -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----.*?-----END\ [A-Z\ ]*PRIVATE\ KEY-----
    """
)
_SECRET_NAMES = re.compile(r"(?i)(.*_)?(api_?key|authorization|password|secret|bearer|(access|auth)_?token)")
_USER_FOLDER = re.compile(
    r"(?:(?<![\w.~:/-])|(?<=file://))(?:/(?:home|Users)/[^\s/\"'`<>|]+|/root(?=/)|[A-Za-z]:\\Users\\[^\s\\\"'`<>|]+)"
)
_ABSOLUTE_PATH = re.compile(r"(?:file://)?(?:/[^/\n]+){2,}/?|~[^\s/]*/[^\n]+|[A-Za-z]:[\\/][^\n]+")
_PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".intranet", ".lan", ".corp", ".home", ".private", ".svc")


def public_path(path: str) -> str:
    """Returns a path as a card may show it: one inside the workflow as it is, any other by its last part alone."""
    if re.match(r"[A-Za-z]:[\\/]", path):
        return PureWindowsPath(path).name
    posix = PurePosixPath(path.removeprefix("file://"))
    if posix.is_absolute() or ".." in posix.parts or str(posix).startswith("~"):
        return posix.name
    return str(posix)


def public_endpoint(url: str) -> str:
    """Returns the host of a public service, and `private endpoint` for every other address."""
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_private = "." not in host.rstrip(".") or host.rstrip(".").endswith(_PRIVATE_SUFFIXES)
    else:
        is_private = not address.is_global
    return PRIVATE_ENDPOINT if is_private else host


# Any: JSON.
def public_setting(value: Any, name: str = "") -> Any:
    """Returns a JSON value as a card may show it.

    Args:
        value: A parameter, a resource or a fact of a task, of any depth.
        name: The name that it stands under: a value named like an API key is removed whatever it is.
    """
    if isinstance(value, Mapping):
        return {
            public_path(str(k)) if _is_path(str(k)) else str(k): public_setting(v, str(k)) for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [public_setting(v, name) for v in value]
    return _public_text(value, name) if isinstance(value, str) else value


def _public_text(value: str, name: str) -> str:
    if _SECRET_NAMES.fullmatch(name):
        return REMOVED
    if name.endswith("base_url") or name == "endpoint":
        return public_endpoint(value)
    if re.fullmatch(r"https?://\S+", value):
        return _public_url(value)
    return public_path(value) if _is_path(value) else value


# Any: JSON.
def without_secrets(value: Any, roots: Sequence[str] = ()) -> Any:
    """Returns a JSON value without API keys, keys of certificates and the names of private folders.

    Args:
        value: JSON of any depth.
        roots: Folders of this machine (the workflow's, the user's); paths below them are shown relative to them.
    """
    if isinstance(value, Mapping):
        return {without_secrets(k, roots): without_secrets(v, roots) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(v, roots) for v in value]
    if not isinstance(value, str):
        return value
    for root in sorted({r.rstrip("/") for r in roots}, key=len, reverse=True):
        if root:
            value = re.sub(rf"(?<![\w.~-]){re.escape(root)}(?:/|(?![\w.-]))", "", value)
    return _SECRETS.sub(REMOVED, _USER_FOLDER.sub("~", value))


def _is_path(text: str) -> bool:
    return len(text) < 4096 and _ABSOLUTE_PATH.fullmatch(text) is not None


def _public_url(url: str) -> str:
    """Returns a URL without user, password and query, or `private endpoint`."""
    parts = urlsplit(url)
    if public_endpoint(url) == PRIVATE_ENDPOINT:
        return PRIVATE_ENDPOINT
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
