"""Values against JSON Schemas (draft 2020-12).

Contract: a value passes in silence or raises one `SettingsError` of at most three lines, the one that explains most:
unknown keys before missing ones, missing ones before wrong types, wrong types before the rest. Each schema is compiled
once a process, and `jsonschema` is imported by the first call. A `$ref` that leaves the schema is never fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError
from dreamsmk.settings.closing import closed
from dreamsmk.settings.place import Place

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

    from dreamsmk.settings.explain import Fault


# Any: JSON Schema and JSON.
def check_value(schema: Mapping[str, Any], value: Any, place: Place, *, noun: str) -> None:
    """Raises `SettingsError` unless a plain JSON value follows a schema; unknown keys never do.

    Args:
        schema: The schema. Objects for which it names keys are closed, unless it says otherwise itself.
        value: Plain JSON, as from `plain_json`.
        place: Where the value stands.
        noun: What a key of it is called in messages: `setting`, `parameter`.
    """
    from jsonschema.exceptions import UnknownType
    from referencing.exceptions import Unresolvable

    text = _text(schema, place)
    validator = _compiled(text)
    try:
        errors = list(validator.iter_errors(value))
    except UnknownType as exc:
        raise SettingsError(f"the schema names an unknown type {exc.type!r}", where=place.where) from exc
    except Unresolvable as exc:
        raise SettingsError(f"the schema refers to {exc.ref!r}, which is not in it", where=place.where) from exc
    if errors:
        # Most runs have nothing to explain.
        from dreamsmk.settings.explain import Explainer

        raise Explainer(_closed(text), noun).error([_fault(error) for error in errors], place)


# Any: JSON Schema.
def check_schema(schema: Mapping[str, Any], where: str) -> None:
    """Raises `SettingsError` unless a schema is one itself."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as exc:
        place = Place(where, tuple(exc.absolute_path))
        what = "this is no JSON Schema (draft 2020-12): " + " ".join(exc.message.split())[:160]
        raise SettingsError(what, where=str(place)) from exc


# Any: JSON Schema.
def _text(schema: Mapping[str, Any], place: Place) -> str:
    try:
        return json.dumps(schema)
    except TypeError as exc:
        raise SettingsError(f"the schema is not plain JSON: {exc}", where=place.where) from exc


# Any: JSON Schema.
@lru_cache(maxsize=256)
def _closed(text: str) -> dict[str, Any]:
    return closed(json.loads(text))


@lru_cache(maxsize=256)
def _compiled(text: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # no type information is published

    return Draft202012Validator(_closed(text), registry=REGISTRY)


def _fault(error: ValidationError) -> Fault:
    from dreamsmk.settings.explain import Fault

    branches: dict[Any, list[Fault]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(_fault(inner))
    return Fault(
        keyword=str(error.validator),
        limit=error.validator_value,
        value=error.instance,
        path=tuple(error.absolute_path),
        schema=error.schema if isinstance(error.schema, Mapping) else {},
        message=error.message,
        is_key="propertyNames" in error.absolute_schema_path,
        branches=tuple(tuple(branch) for branch in branches.values()),
    )
