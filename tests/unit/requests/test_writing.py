import dataclasses

from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import Message, ModelIdentity, Request
from dreamsmk.requests.writing import FAST_FIELDS, FAST_MESSAGE_FIELDS, LONG_FIELDS, LONG_MESSAGE_FIELDS, RequestWriter
from tests.unit.requests.test_request import PLAIN, VALUES, golden, with_field


def test_the_fast_way_knows_every_field():
    assert {field.name for field in dataclasses.fields(Request)} == FAST_FIELDS | LONG_FIELDS
    assert {field.name for field in dataclasses.fields(Message)} == FAST_MESSAGE_FIELDS | LONG_MESSAGE_FIELDS


def test_the_fast_way_writes_the_same_bytes():
    """One writer for all, so that what it remembers of one request meets every other one, twice."""
    writer = RequestWriter()
    many = [PLAIN, golden()]
    many += [with_field(kind, name, value) for kind, named in VALUES.items() for name in named for value in named[name]]
    many += [dataclasses.replace(PLAIN, sample=5), dataclasses.replace(PLAIN, messages=())]
    many += [dataclasses.replace(one, messages=(*one.messages, Message("user", "日本 \u2028 \0"))) for one in many]
    for one in [*many, *many[::-1], *many]:
        assert writer.body(one) == canonical_bytes(one.canonical())


def test_the_fast_way_sees_a_mapping_that_was_changed_in_place():
    writer, options = RequestWriter(), {"a": 1}
    one = with_field(ModelIdentity, "options", options)
    before = writer.body(one)
    options["a"] = 2
    assert writer.body(one) == canonical_bytes(one.canonical()) != before
