"""From a JSON Schema to the types of columns, and from values to cells."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.prompting.shapes import UnfitValue, fields_of

TEXT = {"type": "string"}


def dtype(node: Any, **root: Any) -> pl.DataType:
    return fields_of({"type": "object", "properties": {"x": node}, **root})["x"].dtype()


def cell(node: Any, value: Any, **root: Any) -> Any:
    return fields_of({"type": "object", "properties": {"x": node}, **root})["x"].cell(value)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (TEXT, pl.String()),
        ({"type": "integer"}, pl.Int64()),
        ({"type": "number"}, pl.Float64()),
        ({"type": "boolean"}, pl.Boolean()),
        ({"type": ["integer", "number"]}, pl.Float64()),
        ({"type": ["string", "null"]}, pl.String()),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, pl.Int64()),
        ({"oneOf": [{"const": None}, {"type": "boolean"}]}, pl.Boolean()),
        ({"enum": ["a", "b", None]}, pl.String()),
        ({"enum": [1, 2]}, pl.Int64()),
        ({"enum": [1, 2.5]}, pl.Float64()),
        ({"enum": [True, False]}, pl.Boolean()),
        ({"const": "a"}, pl.String()),
        ({"type": "string", "enum": ["a"]}, pl.String()),
        ({"type": "array", "items": TEXT}, pl.List(pl.String())),
        ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, pl.List(pl.List(pl.Float64()))),
        ({"type": "object", "properties": {"a": TEXT, "b": {}}}, pl.Struct({"a": pl.String(), "b": pl.String()})),
        ({"allOf": [{"type": "integer"}, {"type": "integer", "minimum": 1}]}, pl.Int64()),
        ({"anyOf": [{"type": "string", "minLength": 1}, TEXT]}, pl.String()),
    ],
)  # fmt: skip
def test_what_has_one_type_gets_a_column_of_it(node: Any, expected: pl.DataType) -> None:
    assert dtype(node) == expected


@pytest.mark.parametrize(
    "node",
    [
        {},
        True,
        {"type": ["string", "integer"]},
        {"anyOf": [TEXT, {"type": "integer"}]},
        {"enum": ["a", 1]},
        {"type": "object"},
        {"type": "object", "additionalProperties": TEXT},
        {"type": "array"},
        {"type": "array", "prefixItems": [TEXT]},
        {"properties": {"a": TEXT}},
    ],
)
def test_what_has_no_single_type_is_kept_as_json_text(node: Any) -> None:
    assert dtype(node) == pl.String()
    assert json.loads(cell(node, {"b": [1, "ä"]})) == {"b": [1, "ä"]}
    assert cell(node, None) is None


def test_references_are_followed_and_what_is_taken_over_is_a_field_too() -> None:
    person = {"type": "object", "properties": {"name": TEXT}}
    node = {"type": "object", "allOf": [{"$ref": "#/$defs/person"}], "properties": {"age": {"type": "integer"}}}
    assert dtype({"$ref": "#/$defs/person"}, **{"$defs": {"person": person}}) == pl.Struct({"name": pl.String()})
    both = pl.Struct({"name": pl.String(), "age": pl.Int64()})
    assert dtype(node, **{"$defs": {"person": person}}) == both


def test_what_holds_itself_is_json_text_where_it_comes_again() -> None:
    node = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "below": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
    }
    defined = {"$defs": {"node": node}}
    inner = pl.Struct({"n": pl.Int64(), "below": pl.List(pl.String())})
    assert dtype({"$ref": "#/$defs/node"}, **defined) == inner
    assert dtype({"$ref": "#"}) == pl.String()
    tree = {"n": 1, "below": [{"n": 2, "below": []}]}
    assert cell({"$ref": "#/$defs/node"}, tree, **defined) == {"n": 1, "below": ['{"n":2,"below":[]}']}


@pytest.mark.parametrize("reference", ["#/$defs/nobody", "https://example.org/x.json", "other.json", "#anchor"])
def test_a_reference_to_what_is_not_there_is_an_error(reference: str) -> None:
    with pytest.raises(SettingsError, match="refers to"):
        dtype({"$ref": reference})


def test_missing_fields_are_null_and_unnamed_ones_are_left_out() -> None:
    node = {"type": "object", "properties": {"a": TEXT, "b": {"type": "array", "items": {"type": "integer"}}}}
    assert cell(node, {"a": "x", "c": 1}) == {"a": "x", "b": None}
    assert cell(node, {"b": [1.0, 2]}) == {"a": None, "b": [1, 2]}
    assert cell({"type": "number"}, 3) == 3.0


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1e20])
def test_a_whole_number_of_more_than_64_bits_fits_nowhere(value: float) -> None:
    with pytest.raises(UnfitValue, match="64 bits"):
        cell({"type": "integer"}, value)
    assert cell({"type": "integer"}, 2**63 - 1) == 2**63 - 1


LEAVES = st.sampled_from(
    [TEXT, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}, {"enum": ["a", None]}, {}]
)
NODES = st.recursive(
    LEAVES,
    lambda node: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, node),
        st.builds(
            lambda fields: {"type": "object", "properties": fields}, st.dictionaries(st.sampled_from("abc"), node)
        ),
        st.builds(lambda inner: {"anyOf": [inner, {"type": "null"}]}, node),
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.sampled_from(["a", "ä", ""])),
    lambda value: st.lists(value, max_size=3) | st.dictionaries(st.sampled_from("abcd"), value, max_size=3),
    max_leaves=6,
)


@given(NODES, st.lists(VALUES, max_size=4))
def test_every_value_that_the_schema_takes_goes_into_its_column(node: dict[str, Any], values: list[Any]) -> None:
    shape = fields_of({"type": "object", "properties": {"x": node}})["x"]
    fitting = [value for value in values if Draft202012Validator(node).is_valid(value)]
    column = pl.Series("x", [shape.cell(value) for value in fitting], dtype=shape.dtype())
    assert len(column) == len(fitting)
    if shape.kind in ("text", "integer", "number", "boolean"):
        assert column.to_list() == fitting
