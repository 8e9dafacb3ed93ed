"""The column type of each value that a JSON Schema describes.

Contract: a value that the schema takes goes into its column unchanged: text into String, whole numbers into Int64,
numbers into Float64, arrays into List, objects into Struct. What has no single type, or is an object whose keys the
schema does not name, is kept as JSON text in a String column. Every column may be null: of a property that is not
required, and of one that may be null. Keys that the schema does not name are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from dreamsmk.errors import SettingsError

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["text", "integer", "number", "boolean", "json", "list", "struct"]

_INT64 = range(-(2**63), 2**63)
# Any (in this file): JSON Schema and JSON.
_PLAIN: Mapping[str, Kind] = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}


class UnfitValue(ValueError):
    """A value that no column can hold, though the schema takes it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a column holds.

    Attributes:
        items: What each element of a list is.
        fields: What each field of a struct is, by name.
    """

    kind: Kind
    items: Shape | None = None
    fields: Mapping[str, Shape] = field(default_factory=dict)

    def dtype(self) -> pl.DataType:
        """Returns the polars type."""
        import polars as pl

        if self.kind == "list":
            assert self.items is not None
            return pl.List(self.items.dtype())
        if self.kind == "struct":
            return pl.Struct({name: shape.dtype() for name, shape in self.fields.items()})
        plain = {"integer": pl.Int64(), "number": pl.Float64(), "boolean": pl.Boolean()}
        return plain.get(self.kind, pl.String())

    def cell(self, value: Any) -> Any:
        """Returns a value as the column takes it.

        Raises:
            UnfitValue: It is a whole number of more than 64 bits.
        """
        if value is None:
            return None
        if self.kind == "list":
            assert self.items is not None
            return [self.items.cell(inner) for inner in value]
        if self.kind == "struct":
            return {name: shape.cell(value.get(name)) for name, shape in self.fields.items()}
        if self.kind == "integer":
            return _whole(value)
        if self.kind == "number":
            return float(value)
        return orjson.dumps(value).decode() if self.kind == "json" else value


JSON = Shape("json")


def fields_of(schema: Mapping[str, Any]) -> dict[str, Shape]:
    """Returns what each property of a schema's object is, in the order in which they are named."""
    return _fields(schema, schema, ("#",))


def resolve(reference: str, root: Mapping[str, Any]) -> Any:
    """Returns what a `$ref` into the same schema points at.

    Raises:
        SettingsError: It points elsewhere, or at nothing.
    """
    node: Any = root
    if reference != "#" and not reference.startswith("#/"):
        raise SettingsError(f"the schema refers to {reference!r}, which is not in it", hint="copy it under $defs")
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or name not in node:
            raise SettingsError(f"the schema refers to {reference!r}, and there is nothing there")
        node = node[name]
    return node


def _shape(node: Any, root: Mapping[str, Any], seen: tuple[str, ...]) -> Shape:
    """Returns the shape of a value; `seen` are the references on the way, since a type cannot hold itself."""
    if not isinstance(node, Mapping):
        return JSON
    types = [name for name in _types(node) if name != "null"]
    if sorted(types) == ["integer", "number"]:
        return Shape("number")
    if len(types) == 1:
        return _typed(types[0], node, root, seen)
    if types:
        return JSON
    if "enum" in node or "const" in node:
        return _of_values(node.get("enum", [node.get("const")]))
    shapes = [_shape(part, root, inner) for part, inner in _parts(node, root, seen) if not _is_null(part)]
    return _one(shapes)


def _typed(name: str, node: Mapping[str, Any], root: Mapping[str, Any], seen: tuple[str, ...]) -> Shape:
    if name == "object":
        fields = _fields(node, root, seen)
        return Shape("struct", fields=fields) if fields else JSON
    if name == "array":
        if "prefixItems" in node or not isinstance(node.get("items"), Mapping):
            return JSON
        return Shape("list", items=_shape(node["items"], root, seen))
    return Shape(_PLAIN[name])


def _fields(node: Mapping[str, Any], root: Mapping[str, Any], seen: tuple[str, ...]) -> dict[str, Shape]:
    """Returns the fields of an object, those that it takes over by `$ref` and `allOf` among them."""
    fields: dict[str, Shape] = {}
    for part, inner in _parts({name: node[name] for name in ("$ref", "allOf") if name in node}, root, seen):
        if isinstance(part, Mapping):
            fields |= _fields(part, root, inner)
    own = node.get("properties", {})
    return fields | {name: _shape(sub, root, seen) for name, sub in own.items()}


def _parts(
    node: Mapping[str, Any], root: Mapping[str, Any], seen: tuple[str, ...]
) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yields the schemas that a schema is put together from; nothing for a reference to where it stands."""
    if "$ref" in node and node["$ref"] not in seen:
        yield resolve(node["$ref"], root), (*seen, node["$ref"])
    for keyword in ("anyOf", "oneOf", "allOf"):
        for part in node.get(keyword, ()):
            yield part, seen


def _of_values(values: Iterable[Any]) -> Shape:
    kinds: dict[type, Kind] = {str: "text", bool: "boolean", int: "integer", float: "number"}
    return _one([Shape(kinds.get(type(value), "json")) for value in values if value is not None])


def _one(shapes: list[Shape]) -> Shape:
    """Returns the one shape that all have."""
    if shapes and {shape.kind for shape in shapes} <= {"integer", "number"}:
        return shapes[0] if all(shape == shapes[0] for shape in shapes) else Shape("number")
    return shapes[0] if shapes and all(shape == shapes[0] for shape in shapes) else JSON


def _types(node: Mapping[str, Any]) -> list[str]:
    given = node.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _is_null(node: Any) -> bool:
    return isinstance(node, Mapping) and (_types(node) == ["null"] or node.get("const", 0) is None)


def _whole(value: float) -> int:
    """Returns a whole number, which JSON may write as 1.0."""
    whole = int(value)
    if whole not in _INT64:
        raise UnfitValue(f"{value!r} has more than 64 bits")
    return whole
