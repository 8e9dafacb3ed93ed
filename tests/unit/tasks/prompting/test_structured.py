"""Replies that follow a schema become columns; one that does not is shown its fault, and then fails its row."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

RULE = "process_with_prompt"
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "year": {"type": ["integer", "null"]},
        "score": {"type": "number"},
        "kind": {"enum": ["short", "long"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "by": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
    },
    "required": ["title"],
}
TYPES = {
    "title": pl.String(),
    "year": pl.Int64(),
    "score": pl.Float64(),
    "kind": pl.String(),
    "tags": pl.List(pl.String()),
    "by": pl.Struct({"name": pl.String(), "age": pl.Int64()}),
}
WHOLE = {"title": "A", "year": 3, "score": 1, "kind": "long", "tags": ["x"], "by": {"name": "N", "age": 4}}
REPAIR = "does not follow the JSON Schema"


def process(desk: Desk, texts: list[str], **params: Any) -> pl.DataFrame:
    given = {"model": "teacher", "inputs": "text", "instruction": "Sum up.", "schema": SCHEMA, **params}
    return desk.run(RULE, {"table": desk.table({"text": pl.Series(texts, dtype=pl.String)})}, **given)["table"]


def test_the_fields_become_columns_of_their_types(desk: Desk, wire: WireServer) -> None:
    wire.reply("row a", json.dumps(WHOLE))
    wire.reply("row b", '```json\n{"title": "B", "more": 1}\n```')
    table = process(desk, ["row a", "row b"])
    assert table.schema == {"inputs": pl.String(), **TYPES}
    assert table.row(0, named=True) == {"inputs": "row a", **WHOLE}
    assert table.row(1) == ("row b", "B", None, None, None, None, None)


def test_a_table_without_rows_has_the_columns_and_types(desk: Desk, wire: WireServer) -> None:
    table = process(desk, [], keep=["generations", "usage"], max_failures=1, columns={"title": "name"})
    assert table.columns == ["inputs", "usage", "name", *list(TYPES)[1:], "generations", "failure"]
    assert table.schema["by"] == TYPES["by"]
    assert wire.count == 0


def test_the_text_stands_beside_the_fields_where_it_is_kept(desk: Desk, wire: WireServer) -> None:
    text = '{"title":  "A"}'
    wire.reply("row", text)
    table = process(desk, ["row"], keep=["generations"])
    assert table.columns == ["inputs", *TYPES, "generations"]
    assert table["generations"].to_list() == [text]


def test_a_reply_that_does_not_follow_it_is_shown_its_fault_once_and_both_are_kept(
    desk: Desk, wire: WireServer
) -> None:
    wire.reply(REPAIR, '{"title": "mended"}')
    wire.reply("row", '{"title": 1}')
    assert process(desk, ["row"])["title"].to_list() == ["mended"]
    assert wire.count == 2
    asked, reply, complaint = wire.last.body["messages"]
    assert asked["content"].endswith("Instruction: Sum up.")
    assert (reply["role"], reply["content"]) == ("assistant", '{"title": 1}')
    assert complaint["content"].startswith("This does not follow the JSON Schema: title: 1 is not of type 'string'")
    assert process(desk, ["row"])["title"].to_list() == ["mended"]
    assert wire.count == 2, "the repair is in the cache like any call"


def test_an_empty_reply_is_asked_for_again_without_an_empty_message(desk: Desk, wire: WireServer) -> None:
    wire.reply(REPAIR, '{"title": "mended"}')
    wire.reply("row", "")
    assert process(desk, ["row"])["title"].to_list() == ["mended"]
    (message,) = wire.last.body["messages"]
    assert message["content"].startswith("Input: row")
    assert "it is empty" in message["content"]


@pytest.mark.parametrize(("repairs", "calls"), [(0, 1), (1, 2), (3, 4)])
def test_repairs_are_bounded_and_then_the_row_fails(desk: Desk, wire: WireServer, repairs: int, calls: int) -> None:
    wire.reply("", "no JSON")
    with pytest.raises(ProviderError, match="1 of 1 rows got no reply: it is not JSON"):
        process(desk, ["row"], repairs=repairs)
    assert wire.count == calls
    assert not (desk.folder / "made_table.parquet").exists()


def test_a_row_that_fails_has_nulls_and_says_why_where_rows_may_fail(desk: Desk, wire: WireServer) -> None:
    wire.reply("row a", '{"title": "A"}')
    wire.reply("", '{"title": 1}')
    table = process(desk, ["row a", "row b"], max_failures=0.5, keep=["generations", "finish_reason"])
    assert table["title"].to_list() == ["A", None]
    assert table["generations"].to_list() == ['{"title": "A"}', None]
    assert table["finish_reason"].to_list() == ["stop", "stop"]
    assert table["failure"].to_list() == [None, "schema: title: 1 is not of type 'string'"]
    assert desk.models["teacher"].tally.failures == {"schema": 1}


def test_a_reply_that_was_cut_off_is_not_asked_for_again(desk: Desk, wire: WireServer) -> None:
    wire.reply("one", '{"title": ')
    wire.tell("one", finish_reason="length")
    wire.tell("two", finish_reason="length")
    wire.tell("three", refusal="I will not.")
    table = process(desk, ["one", "two", "three"], max_failures=2)
    assert wire.count == 3
    cut, whole, refused = table["failure"]
    assert cut.startswith("length: the reply was cut off: it is not JSON")
    assert whole is None, "it follows the schema, so that nothing is missing"
    assert refused == "refusal: the model refused: I will not.: it is empty"


def test_a_provider_that_takes_schemas_gets_it_in_its_own_field(desk: Desk, wire: WireServer) -> None:
    wire.reply("", '{"title": "A"}')
    table = process(desk, ["row"], keep=["prompts"])
    assert "Schema" not in table["prompts"][0]
    assert "title" in json.dumps(wire.last.body["response_format"])


def test_one_that_takes_none_is_told_in_words_and_the_reply_is_validated_all_the_same(
    desk: Desk, wire: WireServer
) -> None:
    desk.specs["teacher"] = dataclasses.replace(desk.specs["teacher"], api="completions")
    wire.reply(REPAIR, '{"title": "mended"}')
    wire.reply("row", "no JSON")
    table = process(desk, ["row"], keep=["prompts"])
    words = "Input: row\n\nInstruction: Sum up.\n\nAnswer with JSON only, following this JSON Schema:\n"
    assert table["prompts"].to_list() == [words + json.dumps(SCHEMA)]
    assert table["title"].to_list() == ["mended"]
    assert "response_format" not in wire.last.body


def test_a_schema_may_stand_in_a_file_and_is_then_the_same_call(desk: Desk, wire: WireServer) -> None:
    wire.reply("", '{"title": "A"}')
    process(desk, ["row"])
    inputs = {"table": desk.table({"text": ["row"]}), "schema": desk.file("s.json", json.dumps(SCHEMA))}
    given = {"model": "teacher", "inputs": "text", "instruction": "Sum up."}
    table = desk.run(RULE, inputs, **given)["table"]
    assert table.columns == ["inputs", *TYPES]
    assert wire.count == 1
    assert json.loads(desk.facts["prompts"]["schema"]) == SCHEMA
    with pytest.raises(SettingsError, match="both as a parameter and as a file"):
        desk.run(RULE, inputs, **given, schema=SCHEMA)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"schema": {"type": "object"}}, "object with properties"),
        ({"schema": {"type": "object", "properties": {"inputs": {}}}}, "two columns would be called"),
        ({"schema": "s.json"}, "expected"),
        ({"repairs": -1}, "repairs"),
        ({"keep": ["logprobs"]}, "no log probabilities are asked for"),
    ],
)
def test_what_is_wrong_is_found_before_a_call_is_made(
    desk: Desk, wire: WireServer, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        process(desk, ["row"], **params)
    assert wire.count == 0


def test_samples_of_one_prompt_follow_it_too(desk: Desk, wire: WireServer) -> None:
    wire.reply("Write", '{"title": "{number}"}')
    table = desk.run("data_from_prompt", {}, model="teacher", n=3, instruction="Write.", schema=SCHEMA)["table"]
    assert table.columns == list(TYPES)
    assert sorted(table["title"].to_list()) == ["1", "2", "3"]


def test_side_by_side_the_text_is_shown_as_it_came_and_what_failed_is_told(desk: Desk, wire: WireServer) -> None:
    good = '{"title": "x"}'
    desk.specs["student"] = ModelSpec(provider="echo", model="echo", options={"replies": [good]})
    wire.reply("", "no JSON")
    table = desk.run(
        "generate_sample",
        {"table": desk.table({"text": ["row"]})},
        models={"before": "teacher", "after": "student"},
        inputs="text",
        schema=SCHEMA,
        max_failures=1,
        repairs=0,
    )["table"]
    assert table["after"].to_list() == [good]
    assert table["before"].to_list() == [None]
    assert table["failure"][0].startswith("before: schema: it is not JSON")
