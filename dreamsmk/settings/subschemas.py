"""Which part of a JSON Schema describes which part of a value.

Contract: `$ref` (inside the same schema), `allOf`, and the branch of `anyOf` or `oneOf` that alone takes the value's
type are followed; what only a validator can decide (`if`, several branches of one type) is not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Any (in this file): JSON Schema and JSON.
Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def describe(node: Schema, value: Any, root: Schema) -> dict[str, Any]:
    """Returns all that a schema says directly of a value, in one flat schema."""
    flat: dict[str, Any] = {}
    if "$ref" in node:
        _merge(flat, describe(resolve(node["$ref"], root), value, root))
    for member in node.get("allOf", ()):
        _merge(flat, describe(member, value, root))
    for keyword in ("anyOf", "oneOf"):
        fitting = [branch for branch in node.get(keyword, ()) if takes(branch, value, root)]
        if len(fitting) == 1:
            _merge(flat, describe(fitting[0], value, root))
    _merge(flat, node)
    return flat


def children(flat: Schema, value: Any) -> Iterator[tuple[str | int, Schema]]:
    """Yields each key or position of a value with the schema of what stands there."""
    if isinstance(value, dict):
        for name in value:
            found = _of_property(flat, name)
            if found is not None:
                yield name, found
    elif isinstance(value, list):
        first = flat.get("prefixItems", [])
        rest = flat.get("items")
        for index in range(len(value)):
            found = first[index] if index < len(first) else rest
            if isinstance(found, Mapping):
                yield index, found


def resolve(reference: str, root: Schema) -> Schema:
    """Returns what a `$ref` into the same schema points at, an empty schema where it points elsewhere."""
    node: Any = root
    if not reference.startswith("#"):
        return {}
    for part in reference.removeprefix("#").split("/")[1:]:
        node = node.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, Mapping) else {}
    return node if isinstance(node, Mapping) else {}


def types_of(node: Schema) -> list[str]:
    """Returns the types that a schema names, none where it names none."""
    given = node.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def takes(node: Schema, value: Any, root: Schema) -> bool:
    """Says whether a schema takes values of the type of `value`."""
    if "$ref" in node and "type" not in node:
        return takes(resolve(node["$ref"], root), value, root)
    names = types_of(node)
    if isinstance(value, bool):
        return not names or "boolean" in names
    return not names or any(isinstance(value, _TYPES[name]) for name in names if name in _TYPES)


def _of_property(flat: Schema, name: str) -> Schema | None:
    found = flat.get("properties", {}).get(name)
    if found is None:
        patterns = flat.get("patternProperties", {}).items()
        found = next((sub for pattern, sub in patterns if re.search(pattern, name)), None)
    if found is None:
        found = flat.get("additionalProperties")
    return found if isinstance(found, Mapping) else None


def _merge(flat: dict[str, Any], more: Schema) -> None:
    for keyword, said in more.items():
        if keyword in ("properties", "patternProperties"):
            flat[keyword] = {**flat.get(keyword, {}), **said}
        elif keyword not in ("$ref", "allOf", "anyOf", "oneOf"):
            flat[keyword] = said
