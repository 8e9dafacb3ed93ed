"""The type and the default of a parameter in words, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# Any (in this file): JSON Schema.


def type_of(schema: Mapping[str, Any]) -> str:
    """Returns what a value may be: `string or null`, or the values themselves."""
    if "enum" in schema:
        return ", ".join(f"`{'null' if value is None else value}`" for value in schema["enum"])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(type_of(choice) for choice in schema[several])
    kinds = schema.get("type", "object")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def default_of(name: str, schema: Mapping[str, Any], required: Sequence[str]) -> str:
    """Returns the default, or that there is none."""
    return "required" if name in required else f"default {json.dumps(schema.get('default'), ensure_ascii=False)}"
