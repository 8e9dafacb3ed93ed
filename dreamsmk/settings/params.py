"""A rule's parameters, checked against the JSON Schema of its meta.yaml and brought into one form.

Contract: what comes back is plain JSON with all defaults filled in, the same whatever Python gave (tuples, paths, numpy
scalars), and validating it again changes nothing. What a schema marks is found at any depth: `x-model` (an alias under
`models:`; `x-model: embedding` or `labels` says what is wanted of it), `x-column` (a column of an input role),
`x-function` (a function of the user's, as `scripts/steps.py:name`), `x-identity: false` (no part of the fingerprint),
`x-identity: given` (part of it only where it is not the default, so that a parameter that is added leaves earlier
fingerprints as they are), `x-ordered: true` (the order of keys in it counts too; `x-ordered: properties` of those alone
that stand under `properties`), `x-literal: true` (its braces are its own, and no wildcards of Snakemake's).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from dreamsmk.settings.ordering import key_order
from dreamsmk.settings.place import Place, position
from dreamsmk.settings.plain import plain_json
from dreamsmk.settings.subschemas import Schema, children, describe, types_of
from dreamsmk.settings.validation import check_value

# Any (in this file): JSON Schema and JSON.
Position = tuple[str | int, ...]
# Below it a float is one whole number and no other.
_EXACT = 2**53


def validate_params(schema: Schema, params: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Returns a rule's params as plain JSON, with the defaults of the schema filled in.

    Args:
        schema: The schema of the params object, from the rule's `meta.yaml`.
        params: The params by name, as the workflow gives them.
        where: What messages call the rule: `rule tweets`.

    Raises:
        SettingsError: A parameter is unknown, missing, of the wrong type or out of its bounds.
    """
    place = Place(where, ("params",))
    filled: dict[str, Any] = _fill(schema, plain_json(params, place), schema)
    check_value(schema, filled, place, noun="parameter")
    return filled


def model_aliases(schema: Schema, params: Mapping[str, Any]) -> dict[str, str]:
    """Returns the model aliases that params name, by position: `{"model": "teacher", "judges/0": "strict"}`."""
    found = _marked(schema, params, schema, "x-model", ())
    return {position(at): text for _, start, value in found for at, text in _texts(value, start)}


def column_references(schema: Schema, params: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Returns the columns that params name, as (input role, column, position): `("table", "text", "inputs/0")`."""
    found = _marked(schema, params, schema, "x-column", ())
    return [(str(role), text, position(at)) for role, start, value in found for at, text in _texts(value, start)]


def function_references(schema: Schema, params: Mapping[str, Any]) -> dict[str, str]:
    """Returns the functions that params name, by position: `{"function": "scripts/steps.py:clean"}`."""
    found = _marked(schema, params, schema, "x-function", ())
    return {position(at): text for _, start, value in found for at, text in _texts(value, start)}


def identity_params(schema: Schema, params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns validated params without those that decide no result, with the order of keys where it decides one.

    See `x-identity` and `x-ordered` above.
    """
    kept: dict[str, Any] = _identity(schema, dict(params), schema)
    for mark, at, value in list(_marked(schema, kept, schema, "x-ordered", ())):
        if order := key_order(value, None if mark is True else mark):
            kept[f"order of {position(at)}"] = order
    return kept


def _fill(node: Schema, value: Any, root: Schema) -> Any:
    flat = describe(node, value, root)
    if isinstance(value, dict):
        absent = {name: sub for name, sub in flat.get("properties", {}).items() if name not in value}
        defaults = {name: _default(sub, root) for name, sub in absent.items()}
        value = {**value, **{name: found[0] for name, found in defaults.items() if found}}
    if isinstance(value, (dict, list)):
        out: Any = copy.copy(value)
        found = dict(children(flat, value))
        for part in value if isinstance(value, dict) else range(len(value)):
            out[part] = _fill(found.get(part, {}), out[part], root)
        return out
    # To JSON, and so to the fingerprint, 100.0 is 100: to the task it must be too, which may write it out.
    if isinstance(value, float) and value.is_integer() and _may_be_whole(flat, value):
        return int(value)
    return value


def _may_be_whole(flat: Schema, value: float) -> bool:
    """Says whether a whole float is handed over as an integer: not where numbers are only computed with."""
    names = types_of(flat)
    is_for_numbers = "number" in names and {"number", "null"}.issuperset(names)
    return "integer" in names or (abs(value) < _EXACT and not is_for_numbers)


def _default(node: Any, root: Schema) -> list[Any]:
    """Returns the default of a property in a list, an empty list where it has none: null is a default too."""
    flat = describe(node, None, root) if isinstance(node, Mapping) else {}
    return [copy.deepcopy(flat["default"])] if "default" in flat else []


def _marked(node: Schema, value: Any, root: Schema, mark: str, at: Position) -> Iterator[tuple[Any, Position, Any]]:
    """Yields every value whose schema has a mark: the mark, the position, the value."""
    flat = describe(node, value, root)
    if flat.get(mark):
        yield flat[mark], at, value
        return
    for part, sub in children(flat, value):
        yield from _marked(sub, value[part], root, mark, (*at, part))


def _texts(value: Any, at: Position) -> Iterator[tuple[Position, str]]:
    """Yields every text in a value, itself or in its lists and mappings, with its position."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*at, index))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, (*at, name))


def _identity(node: Schema, value: Any, root: Schema) -> Any:
    if not isinstance(value, (dict, list)):
        return value
    flat = describe(node, value, root)
    found = dict(children(flat, value))
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    kept = {part: inner for part, inner in parts if _decides(found.get(part), inner, root)}
    out = {part: _identity(found.get(part, {}), inner, root) for part, inner in kept.items()}
    return out if isinstance(value, dict) else list(out.values())


def _decides(node: Schema | None, value: Any, root: Schema) -> bool:
    if node is None:
        return True
    flat = describe(node, value, root)
    mark = flat.get("x-identity", True)
    return mark is not False and not (mark == "given" and _is_same(value, flat.get("default")))


def _is_same(value: Any, default: Any) -> bool:
    """Says whether two JSON values are the same; to Python `false` is 0."""
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)
