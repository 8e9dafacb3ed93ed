"""JSON Schemas in the forms that services hold replies to.

Contract: the schema of the request is what replies are validated against, by the task layer, in every case. What is
sent here only helps the model to keep to it: it may be less strict than the schema, and differs from it in nothing that
would make a valid reply impossible, but for properties that an object's schema does not name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Keywords that OpenAI's strict mode refuses: https://platform.openai.com/docs/guides/structured-outputs
NOT_STRICT = frozenset(
    {
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "unevaluatedProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "prefixItems",
        "contains",
        "uniqueItems",
        "minLength",
        "maxLength",
        "default",
    }
)
# Where schemas stand inside a schema.
IN_MAPPINGS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
IN_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
IN_PLACE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
NESTING = frozenset({*IN_MAPPINGS, *IN_LISTS, *IN_PLACE})

# What Anthropic's service takes (anthropic-python, lib/_parse/_transform.py): all else moves into the description.
ANTHROPIC_KEYWORDS = frozenset(
    {"type", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions", "title", "description", "properties"}
    | {"required", "additionalProperties", "items", "default"}
)
ANTHROPIC_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)


# Any: JSON.
def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether OpenAI's strict mode takes a schema as it is.

    Its root must be an object, and every object must require all its properties and allow no others.
    """
    return _has_type(schema, "object") and "anyOf" not in schema and _is_strict(schema)


# Any: JSON.
def _is_strict(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or not schema or not NOT_STRICT.isdisjoint(schema):
        return False
    if _has_type(schema, "object") or "properties" in schema:
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
    # most schemas are leaves, and this is asked with every request
    return NESTING.isdisjoint(schema) or all(_is_strict(inner) for inner in _inner(schema))


# Any: JSON.
def anthropic_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema in the subset that Anthropic's service takes.

    Objects get `additionalProperties: false`, `oneOf` becomes `anyOf`, and what the service does not know (bounds,
    patterns, lengths) is told to the model in the description.
    """
    formed: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in {"properties", "$defs", "definitions"} and isinstance(value, Mapping):
            formed[keyword] = {name: _anthropic(inner) for name, inner in value.items()}
        elif keyword in {"anyOf", "oneOf", "allOf"} and isinstance(value, list):
            formed["anyOf" if keyword == "oneOf" else keyword] = [_anthropic(inner) for inner in value]
        elif keyword == "items":
            formed[keyword] = _anthropic(value)
        elif _anthropic_takes(keyword, value):
            formed[keyword] = value
        elif not keyword.startswith("$"):
            told[keyword] = value
    # an object without named properties could then hold nothing at all: such a schema the service refuses itself
    if _has_type(schema, "object") and schema.get("properties"):
        formed["additionalProperties"] = False
        told.pop("additionalProperties", None)
    if told:
        words = ", ".join(f"{name}: {value}" for name, value in told.items())
        formed["description"] = "\n\n".join(part for part in (formed.get("description"), f"{{{words}}}") if part)
    return formed


# Any: JSON.
def _anthropic(schema: Any) -> Any:
    return anthropic_schema(schema) if isinstance(schema, Mapping) else schema


# Any: JSON.
def _anthropic_takes(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value in ANTHROPIC_FORMATS
    if keyword == "minItems":
        return value in {0, 1}
    if keyword == "additionalProperties":
        return value is False
    return keyword in ANTHROPIC_KEYWORDS


# Any: JSON.
def _has_type(schema: Mapping[str, Any], name: str) -> bool:
    kind = schema.get("type")
    return kind == name or (isinstance(kind, list) and name in kind)


# Any: JSON.
def _inner(schema: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []
    for keyword in IN_MAPPINGS:
        if isinstance(schema.get(keyword), Mapping):
            found.extend(schema[keyword].values())
    for keyword in IN_LISTS:
        if isinstance(schema.get(keyword), list):
            found.extend(schema[keyword])
    found.extend(schema[keyword] for keyword in IN_PLACE if isinstance(schema.get(keyword), Mapping))
    return found
