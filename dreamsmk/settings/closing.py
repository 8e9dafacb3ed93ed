"""Schemas in which an unknown key is an error.

Contract: every object that a schema names keys for takes no others, unless the schema itself says what further keys
may be (`additionalProperties`, `unevaluatedProperties`). An object for which no key is named stays free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dreamsmk.settings.subschemas import resolve

# Any (in this file): JSON Schema.
_COMPOSING = ("allOf", "anyOf", "oneOf")
_OPEN = ("additionalProperties", "unevaluatedProperties")


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the schema with every object that names its keys closed to others."""
    out: dict[str, Any] = _close(schema, schema)
    return out


def declared_names(node: Mapping[str, Any], root: Mapping[str, Any]) -> set[str]:
    """Returns the keys that a schema names, in all its branches."""
    return {name for part in _parts(node, root, frozenset()) for name in part.get("properties", {})}


# Any: a schema, or `true` and `false`, which are schemas too.
def _close(node: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(node, Mapping):
        return node
    out = _close_inside(node, root)
    if any(keyword in node for keyword in _OPEN):
        return out
    if any("properties" in part for part in _parts(node, root, frozenset())):
        # Only this keyword sees the keys that a composed schema names.
        is_composed = any(keyword in node for keyword in ("$ref", "if", *_COMPOSING))
        out["unevaluatedProperties" if is_composed else "additionalProperties"] = False
    return out


def _close_inside(node: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(node)
    for keyword in ("properties", "patternProperties"):
        if keyword in node:
            out[keyword] = {name: _close(inner, root) for name, inner in node[keyword].items()}
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            out[keyword] = _close(node[keyword], root)
    if "prefixItems" in node:
        out["prefixItems"] = [_close(inner, root) for inner in node["prefixItems"]]
    for keyword in ("$defs", "definitions"):
        # What is referred to is closed where it is used, beside what else is said there.
        if keyword in node:
            defined = node[keyword].items()
            out[keyword] = {k: _close_inside(v, root) if isinstance(v, Mapping) else v for k, v in defined}
    return out


def _parts(node: Any, root: Mapping[str, Any], seen: frozenset[str]) -> Iterator[Mapping[str, Any]]:
    """Yields a schema and all the schemas that speak of the same value."""
    if not isinstance(node, Mapping):
        return
    yield node
    reference = node.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        yield from _parts(resolve(reference, root), root, seen | {reference})
    for keyword in _COMPOSING:
        for member in node.get(keyword, ()):
            yield from _parts(member, root, seen)
    for keyword in ("if", "then", "else"):
        yield from _parts(node.get(keyword), root, seen)
