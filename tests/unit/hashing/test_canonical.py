"""Canonical JSON is RFC 8785, whichever way it is made."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from types import MappingProxyType

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.errors import IdentityError
from dreamsmk.hashing import canonical_bytes

SAFE = 2**53 - 1
TEXT = st.text(st.characters(exclude_categories=("Cs",)))
SCALARS = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | TEXT
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def documents(scalars):
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
    )


@given(documents(SCALARS | NUMBERS))
def test_every_document_has_the_bytes_of_rfc_8785(value):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(documents(SCALARS))
def test_documents_without_floats_have_them_too(value):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(st.dictionaries(TEXT, st.integers(0, 9), min_size=2), st.randoms())
def test_the_order_of_keys_does_not_count(value, random):
    items = list(value.items())
    random.shuffle(items)
    assert canonical_bytes(dict(items)) == canonical_bytes(value)


@given(documents(SCALARS | st.floats(-SAFE, SAFE)))  # JSON writes bigger whole floats like integers without a form
def test_the_bytes_read_back_as_the_same_value(value):
    assert canonical_bytes(orjson.loads(canonical_bytes(value))) == canonical_bytes(value)


def test_keys_beyond_the_basic_plane_sort_by_utf_16_units():
    value = {"\ue000": 1, "\U0001f600": 2, "a": 3}
    assert canonical_bytes(value) == '{"a":3,"\U0001f600":2,"\ue000":1}'.encode()


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e16, "10000000000000000"),
        (1e21, "1e+21"),
        (1e-7, "1e-7"),
        (0.1, "0.1"),
        (5e-324, "5e-324"),
    ],
)
def test_floats_are_written_as_ecmascript_does(number, written):
    assert canonical_bytes(number).decode() == written


def test_one_and_one_point_zero_are_one_number_and_true_is_another_value():
    assert canonical_bytes([1]) == canonical_bytes([1.0])
    assert canonical_bytes([1]) != canonical_bytes([True])
    assert canonical_bytes([0]) != canonical_bytes([False])


def test_null_zero_and_empty_are_different():
    forms = {canonical_bytes(value) for value in (None, 0, "", [], {}, False, [None], {"a": None})}
    assert len(forms) == 8


def test_tuples_are_lists_and_mappings_are_objects():
    assert canonical_bytes((1, ("a",))) == canonical_bytes([1, ["a"]])
    plain = canonical_bytes({"a": {"b": 1.5}})
    assert canonical_bytes(MappingProxyType({"a": OrderedDict(b=1.5)})) == plain
    assert canonical_bytes(OrderedDict(a={"b": 1.5})) == plain


def test_subclasses_of_plain_types_are_their_plain_value():
    class Role(enum.StrEnum):
        USER = "user"

    class Level(enum.IntEnum):
        HIGH = 3

    class Odd(str):
        def __str__(self) -> str:
            return "something else"

    assert canonical_bytes([Role.USER, Level.HIGH, Odd("plain")]) == b'["user",3,"plain"]'
    assert canonical_bytes({Role.USER: 1}) == b'{"user":1}'


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, math.nan]}, "a[1]"),
        ({"a": {"b c": math.inf}}, "a['b c']"),
        ({"a": -math.inf}, "a"),
        ([SAFE + 1], "[0]"),
        ([-SAFE - 1], "[0]"),
        ({"models": {"big": 10**400}}, "models.big"),
        ({"a": {1: 2}}, "a"),
        ({"a": {None: 2}}, "a"),
        ({"a": {1, 2}}, "a"),
        ({"a": b"bytes"}, "a"),
        ({"a": object()}, "a"),
        ({"a": ["\ud800"]}, "a[0]"),
        ({"a": {"\udfff": 1}}, "a"),
    ],
)
def test_what_has_no_canonical_form_is_an_error_at_its_key_path(value, where):
    with pytest.raises(IdentityError) as caught:
        canonical_bytes(value)
    assert caught.value.where == where
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("leaf", [1, 1.5])
def test_a_value_nested_without_end_is_an_error(leaf):
    value = leaf
    for _ in range(100_000):
        value = [value]
    with pytest.raises(IdentityError, match="nested"):
        canonical_bytes(value)
    loop: dict[str, object] = {"x": leaf}
    loop["self"] = loop
    with pytest.raises(IdentityError, match="nested"):
        canonical_bytes(loop)
    while isinstance(value, list):  # deep lists are freed step by step
        value = value[0]


def test_a_value_nested_as_deep_as_json_schemas_are_is_not():
    value: object = 1
    for _ in range(199):
        value = [value]
    assert canonical_bytes(value) == b"[" * 199 + b"1" + b"]" * 199
