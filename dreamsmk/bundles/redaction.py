"""What of calls and records stays at home when a bundle leaves.

Contract: no record names a folder of this machine: paths in the project are told from there, those in the user's
home folder from `~`. Without prompts, every longer text of a record and all that a request shows a model is replaced by
its SHA-256; the replies stay, and so do the keys, by which they are found again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dreamsmk.hashing import canonical_bytes, digest_bytes

# A digest with its algorithm is 71 characters long; what is longer is a text.
MAX_CHARACTERS = 80


# Any (in this file): JSON.
def without_places(value: Any, project: Path) -> Any:
    """Returns a record whose texts name no folder of this machine."""
    places = [(f"{project}/", ""), (f"{Path.home()}/", "~/")]

    def told(text: str) -> str:
        if text == str(project):
            return "."
        for place, short in places:
            if len(place) > 2:  # a project in / has no name to hide
                text = text.replace(place, short)
        return text

    return _mapped(value, told)


def without_texts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a record whose prompts and other longer texts are replaced by their SHA-256."""
    kept: dict[str, Any] = _mapped(record, lambda text: _digest(text) if _is_long(text) else text)
    kept["preimage"] = dict(kept["preimage"])
    # the words of a parameter, even of a short one, may be a prompt; names and numbers are none
    kept["preimage"]["params"] = _mapped(
        record["preimage"]["params"], lambda text: _digest(text) if " " in text or _is_long(text) else text
    )
    kept["facts"] = {name: fact for name, fact in kept.get("facts", {}).items() if name != "prompts"}
    kept["code"] = {position: _without_sources(code) for position, code in kept.get("code", {}).items()}
    return kept


def without_prompt(request: str) -> str:
    """Returns the canonical JSON of a request with digests in the place of what it shows the model."""
    value = json.loads(request)
    value["messages"] = [
        {"role": message["role"], "sha256": digest_bytes(canonical_bytes(message), "sha256")}
        for message in value.get("messages", [])
    ]
    for name in ("tools", "schema", "order"):
        if name in value:
            value[name] = {"sha256": digest_bytes(canonical_bytes(value[name]), "sha256")}
    return canonical_bytes(value).decode()


def _without_sources(code: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in code.items() if name != "sources"} | {"sources": {}}


def _is_long(text: str) -> bool:
    return len(text) > MAX_CHARACTERS or "\n" in text


def _digest(text: str) -> str:
    return digest_bytes(text.encode("utf-8", "surrogatepass"), "sha256")


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(inner, change) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(inner, change) for inner in value]
    return value
