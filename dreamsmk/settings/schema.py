"""The JSON Schema (draft 2020-12) of the config, generated from the dataclasses.

Contract: types come from the annotations, everything else from the metadata of the fields. A setting that may be
absent may be null too, which means the same.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from dreamsmk.settings.config import Settings
from dreamsmk.settings.fields import default_of
from dreamsmk.settings.model_spec import ModelSpec

# Any (in this file): JSON Schema.
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def settings_schema() -> dict[str, Any]:
    """Returns the schema of the settings that dreamsmk reads; it leaves a user's own keys free."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dreamsmk settings",
        **_dataclass_schema(Settings),
        "additionalProperties": True,
        "$defs": {"ModelSpec": {**_dataclass_schema(ModelSpec), "additionalProperties": False}},
    }


@cache
def shared_schema() -> dict[str, Any]:
    """Returns the schema that the loader uses, one object a process: not to be changed."""
    return settings_schema()


def _dataclass_schema(cls: type[Settings | ModelSpec]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    properties: dict[str, Any] = {}
    needed = []
    for declared in dataclasses.fields(cls):
        default = default_of(declared)
        schema = {**_type_schema(hints[declared.name]), **declared.metadata["schema"]}
        schema["description"] = declared.metadata["description"]
        if default is dataclasses.MISSING:
            needed.append(declared.name)
        else:
            schema = _or_null(schema)
            if default not in (None, (), {}):
                schema["default"] = default
        properties[declared.name] = schema
    out = {"description": (cls.__doc__ or "").splitlines()[0], "type": "object", "properties": properties}
    return {**out, "required": needed} if needed else out


# Any: an annotation.
def _type_schema(hint: Any) -> dict[str, Any]:
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if hint is ModelSpec:
        return {"$ref": "#/$defs/ModelSpec"}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return _type_schema(next(argument for argument in arguments if argument is not type(None)))
    if origin is tuple:
        return {"type": "array", "items": _type_schema(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": True if arguments[1] is Any else _type_schema(arguments[1])}
    raise TypeError(f"no JSON Schema is known for the annotation {hint!r}")


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    out = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        out["enum"] = [*schema["enum"], None]
    return out
