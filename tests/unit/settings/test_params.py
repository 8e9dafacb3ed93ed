"""`validate_params` and what a schema marks."""

from __future__ import annotations

import copy
import datetime
import enum
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.errors import SettingsError
from dreamsmk.settings import column_references, function_references, identity_params, model_aliases, validate_params

TEXTS = {"type": "array", "items": {"type": "string"}}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["model", "instruction"],
    "properties": {
        "model": {"type": "string", "x-model": True, "description": "Alias of the model\nthat answers."},
        "judges": {
            "oneOf": [{"type": "string"}, TEXTS, {"type": "object", "additionalProperties": {"type": "string"}}],
            "x-model": True,
        },
        "fallback": {"type": ["string", "null"], "default": None, "x-model": True},
        "instruction": {"type": "string", "minLength": 1},
        "inputs": {"anyOf": [{"type": "string"}, TEXTS, {"type": "object"}], "x-column": "table"},
        "kind": {"enum": ["short", "long"], "default": "short"},
        "level": {"enum": [1, 2]},
        "n": {"type": "integer", "minimum": 1, "default": 100},
        "rate": {"type": ["number", "null"], "default": None, "exclusiveMinimum": 0},
        "lora": {"$ref": "#/$defs/lora"},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}, "maxItems": 2},
        "batch_size": {"type": "integer", "default": 8, "x-identity": False},
    },
    "$defs": {
        "lora": {
            "type": ["object", "null"],
            "properties": {"rank": {"type": "integer", "default": 16}, "alpha": {"type": "number"}},
        },
        "step": {
            "type": "object",
            "required": ["by"],
            "properties": {
                "by": {"type": "string", "x-model": True},
                "column": {"type": "string", "x-column": "other"},
                "times": {"type": "integer", "default": 1},
                "note": {"type": "string", "x-identity": False},
            },
        },
    },
}
GIVEN = {"model": "teacher", "instruction": "Write."}
DEFAULTS = {"fallback": None, "kind": "short", "n": 100, "rate": None, "batch_size": 8}


def validate(**params) -> dict:
    return validate_params(SCHEMA, {**GIVEN, **params}, where="rule tweets")


def lines(*parts: str) -> str:
    return "\n".join(parts)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (
            {"instuction": "x"},
            lines(
                "there is no parameter 'instuction'",
                "at: params.instuction in rule tweets",
                "hint: did you mean 'instruction'?",
            ),
        ),
        (
            {"nn": 3},
            lines("there is no parameter 'nn'", "at: params.nn in rule tweets", "hint: did you mean 'n'?"),
        ),
        (
            {"lora": {"rnk": 3}},
            lines("there is no parameter 'rnk'", "at: params.lora.rnk in rule tweets", "hint: did you mean 'rank'?"),
        ),
        (
            {"steps": [{"by": "a"}, {"by": "b", "colum": "x"}]},
            lines(
                "there is no parameter 'colum'",
                "at: params.steps[1].colum in rule tweets",
                "hint: did you mean 'column'?",
            ),
        ),
        (
            {"steps": [{}]},
            lines("the parameter 'by' is missing", "at: params.steps[0] in rule tweets"),
        ),
        (
            {"steps": [{"by": "a"}] * 3},
            lines("expected at most 2 entries, got 3", "at: params.steps in rule tweets"),
        ),
        (
            {"n": "5"},
            lines(
                "expected a whole number, got the text '5'",
                "at: params.n in rule tweets",
                "hint: write 5 without quotes",
            ),
        ),
        (
            {"n": None},
            lines(
                "expected a whole number, got null", "at: params.n in rule tweets", "hint: leave the key out instead"
            ),
        ),
        ({"n": True}, lines("expected a whole number, got true", "at: params.n in rule tweets")),
        ({"n": 0}, lines("expected at least 1, got the number 0", "at: params.n in rule tweets")),
        ({"rate": 0}, lines("expected more than 0, got the number 0", "at: params.rate in rule tweets")),
        (
            {"kind": "shrot"},
            lines(
                "'shrot' is none of the values to choose from",
                "at: params.kind in rule tweets",
                "hint: did you mean 'short'?",
            ),
        ),
        (
            {"level": 3},
            lines(
                "3 is none of the values to choose from",
                "at: params.level in rule tweets",
                "hint: choose one of: 1, 2",
            ),
        ),
        (
            {"instruction": ""},
            lines(
                "the text is empty",
                "at: params.instruction in rule tweets",
                "hint: leave the key out, or give a value",
            ),
        ),
        (
            {"judges": 3.5},
            lines(
                "expected text or a list or a mapping, got the number 3.5",
                "at: params.judges in rule tweets",
                "hint: write it in quotes",
            ),
        ),
        (
            {"judges": ["a", None]},
            lines("expected text, got null", "at: params.judges[1] in rule tweets", "hint: leave the key out instead"),
        ),
        (
            {"inputs": {"a", "b"}},
            lines(
                "a value of type set has no form in JSON",
                "at: params.inputs in rule tweets",
                "hint: give text, a number, true, false, null, a list or a mapping",
            ),
        ),
        (
            {"inputs": ["a", lambda wildcards: "b"]},
            lines(
                "a value of type function has no form in JSON",
                "at: params.inputs[1] in rule tweets",
                "hint: give text, a number, true, false, null, a list or a mapping",
            ),
        ),
        (
            {"inputs": np.zeros(2)},
            lines(
                "a value of type ndarray has no form in JSON",
                "at: params.inputs in rule tweets",
                "hint: give text, a number, true, false, null, a list or a mapping",
            ),
        ),
        (
            {"rate": float("inf")},
            lines("inf is not a number that JSON has", "at: params.rate in rule tweets", "hint: give a finite number"),
        ),
        (
            {"inputs": {"first name": datetime.date(2024, 1, 2)}},
            lines(
                "expected text, got a date",
                "at: params.inputs['first name'] in rule tweets",
                "hint: write '2024-01-02' in quotes",
            ),
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_its_key_path(params, expected):
    with pytest.raises(SettingsError) as caught:
        validate(**params)
    assert str(caught.value) == expected


def test_a_missing_parameter_is_named_with_its_meaning():
    with pytest.raises(SettingsError) as caught:
        validate_params(SCHEMA, {"instruction": "x"}, where="rule tweets")
    assert str(caught.value) == lines(
        "the parameter 'model' is missing",
        "at: params in rule tweets",
        "hint: model: Alias of the model that answers.",
    )


def test_a_long_value_is_cut_and_stays_on_one_line():
    with pytest.raises(SettingsError) as caught:
        validate(n="line\n" * 100)
    assert len(str(caught.value).splitlines()) == 2
    assert max(map(len, str(caught.value).splitlines())) < 120


def test_defaults_are_filled_in():
    assert validate() == {**GIVEN, **DEFAULTS}


def test_defaults_inside_an_object_are_filled_in_when_it_is_given():
    assert validate(lora={})["lora"] == {"rank": 16}
    assert validate(lora={"rank": 4, "alpha": 2})["lora"] == {"rank": 4, "alpha": 2}
    assert validate(lora=None)["lora"] is None
    assert "lora" not in validate()
    assert validate(steps=[{"by": "a"}])["steps"] == [{"by": "a", "times": 1}]


def test_neither_the_params_nor_the_schema_are_changed():
    schema, params = copy.deepcopy(SCHEMA), {**GIVEN, "lora": {}}
    validated = validate_params(SCHEMA, params, where="r")
    validated["lora"]["rank"] = 99
    assert params == {**GIVEN, "lora": {}}
    assert schema == SCHEMA


def test_a_schema_that_forgets_to_refuse_unknown_names_refuses_them_too():
    with pytest.raises(SettingsError, match="there is no parameter 'y'"):
        validate_params({"type": "object", "properties": {"x": {}}}, {"y": 1}, where="r")


class Colour(str, enum.Enum):  # noqa: UP042  # the kind of text whose str() is not its value
    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (("a", ("b",)), ["a", ["b"]]),
        (Path("a/b"), "a/b"),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.str_("x"), "x"),
        (np.bool_(True), True),
        (Colour.RED, "red"),
        (OrderedDict(a=1), {"a": 1}),
    ],
)
def test_python_values_become_plain_json(value, plain):
    found = validate_params({"properties": {"x": {}}}, {"x": value}, where="r")["x"]
    assert found == plain
    assert type(found) is type(plain)


def test_a_whole_float_becomes_the_whole_number_that_the_schema_asks_for():
    n = validate(n=5.0)["n"]
    assert (n, type(n)) == (5, int)
    assert type(validate(n=1e16)["n"]) is int
    assert type(validate(rate=5.0)["rate"]) is float


@pytest.mark.parametrize(
    ("schema", "given", "written"),
    [
        ({}, [1.0, -0.0, 2.5, 1e300], "[1, 0, 2.5, 1e+300]"),
        ({"type": ["string", "number"]}, 1.0, "1"),
        ({"type": "array", "items": {"type": ["string", "number", "boolean"]}}, [1.0, True, "1.0"], '[1, true, "1.0"]'),
        ({"type": "object", "additionalProperties": True}, {"a": {"b": [1.0]}}, '{"a": {"b": [1]}}'),
        ({"type": ["number", "null"]}, 1.0, "1.0"),
    ],
)
def test_a_number_that_may_be_written_out_has_the_form_that_its_fingerprint_has(schema, given, written):
    found = validate_params({"properties": {"x": schema}}, {"x": given}, where="r")
    assert json.dumps(found["x"]) == written


def test_model_aliases_are_found_at_any_depth():
    params = validate(judges={"a/b": "strict", "c": "kind"}, steps=[{"by": "t1"}, {"by": "t2"}])
    assert model_aliases(SCHEMA, params) == {
        "model": "teacher",
        "judges/a~1b": "strict",
        "judges/c": "kind",
        "steps/0/by": "t1",
        "steps/1/by": "t2",
    }
    assert model_aliases(SCHEMA, validate(judges=["x", "y"]))["judges/1"] == "y"
    assert model_aliases(SCHEMA, validate(judges="x"))["judges"] == "x"


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("a", [("table", "a", "inputs")]),
        (["a", "b"], [("table", "a", "inputs/0"), ("table", "b", "inputs/1")]),
        ({"x": "a", "y": "b"}, [("table", "a", "inputs/x"), ("table", "b", "inputs/y")]),
    ],
)
def test_columns_are_found_in_texts_lists_and_the_values_of_mappings(inputs, expected):
    assert column_references(SCHEMA, validate(inputs=inputs)) == expected


def test_columns_name_the_role_of_their_input():
    params = validate(steps=[{"by": "a", "column": "c"}])
    assert column_references(SCHEMA, params) == [("other", "c", "steps/0/column")]


def test_what_decides_no_result_is_no_part_of_the_identity():
    params = validate(batch_size=3, steps=[{"by": "a", "note": "x"}])
    found = identity_params(SCHEMA, params)
    assert "batch_size" not in found
    assert found["steps"] == [{"by": "a", "times": 1}]
    assert found == {**{k: v for k, v in params.items() if k != "batch_size"}, "steps": found["steps"]}
    assert params["steps"][0]["note"] == "x"


@pytest.mark.parametrize("default", [None, 0, 1, False, [], {}, "off"])
def test_what_counts_only_where_it_is_given_does_not_count_with_its_default(default):
    schema = {"properties": {"late": {"default": default, "x-identity": "given"}, "early": {"default": None}}}
    for params in ({}, {"late": copy.deepcopy(default)}):
        assert identity_params(schema, validate_params(schema, params, where="r")) == {"early": None}
    for other in (None, 0, 1, False, [], {}, "off"):
        if (other, type(other)) != (default, type(default)):
            assert identity_params(schema, validate_params(schema, {"late": other}, where="r"))["late"] == other


def test_one_and_one_point_zero_are_the_same_default():
    schema = {"properties": {"late": {"type": "number", "default": 0, "x-identity": "given"}}}
    assert identity_params(schema, validate_params(schema, {"late": 0.0}, where="r")) == {}


def test_the_order_of_keys_counts_where_the_schema_says_so():
    plain = {"type": "object"}
    marked = {**plain, "x-ordered": True}
    schema = {"properties": {"plain": plain, "marked": marked, "form": {**plain, "x-ordered": "properties"}}}

    def identity(**params):
        return identity_params(schema, validate_params(schema, params, where="r"))

    assert identity(plain={"b": 1, "a": 2}) == {"plain": {"a": 2, "b": 1}}
    assert identity(marked={"a": {"x": 0}, "b": 1}) == {"marked": {"a": {"x": 0}, "b": 1}}
    assert identity(marked={"b": 1, "a": [{"y": 0, "x": 0}]})["order of marked"] == [
        [[], ["b", "a"]],
        [["a", 0], ["y", "x"]],
    ]
    form = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string", "minLength": 1}}}
    assert identity(form=form)["order of form"] == [[["properties"], ["b", "a"]]]
    assert identity(marked={})["marked"] == {}


def test_a_schema_that_refers_elsewhere_is_never_fetched():
    schema = {"properties": {"x": {"$ref": "https://example.org/other.json"}}}
    with pytest.raises(SettingsError, match=r"refers to 'https://example.org/other.json', which is not in it"):
        validate_params(schema, {"x": 1}, where="r")


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3))
NAMES = st.sampled_from("abc")
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3), max_leaves=8)


def with_default(node: dict, default: object) -> dict:
    return {**node, "default": default}


SCHEMAS = st.recursive(
    st.just({}),
    lambda node: st.one_of(
        st.builds(with_default, node, VALUES),
        st.builds(lambda p: {"properties": p, "additionalProperties": True}, st.dictionaries(NAMES, node, max_size=3)),
        st.builds(lambda n: {"items": n}, node),
        st.builds(lambda n: {"allOf": [n]}, node),
        st.builds(lambda n: {"additionalProperties": n}, node),
    ),
    max_leaves=8,
)


@given(SCHEMAS, st.dictionaries(NAMES, VALUES, max_size=3))
def test_validating_again_changes_nothing(schema, params):
    once = validate_params(schema, params, where="r")
    assert validate_params(schema, once, where="r") == once
    assert params.keys() <= once.keys()


def test_the_functions_that_params_name_are_found_by_their_position():
    schema = {
        "properties": {
            "function": {"type": "string", "x-function": True},
            "scores": {"type": "array", "items": {"type": "string"}, "x-function": True},
            "none": {"type": ["string", "null"], "default": None, "x-function": True},
        }
    }
    params = {"function": "a.py:f", "scores": ["b.py:g", "b.py:h"], "none": None}
    assert function_references(schema, params) == {"function": "a.py:f", "scores/0": "b.py:g", "scores/1": "b.py:h"}
