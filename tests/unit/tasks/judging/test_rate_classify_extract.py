"""Ratings, labels and fields are JSON that follows a schema, beside the whole row."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

TABLE = {"id": [1, 2], "text": ["alpha", "beta"]}
FIELDS = {"type": "object", "properties": {"name": {"type": "string"}, "year": {"type": ["integer", "null"]}}}


def run(desk: Desk, rule: str, table: dict[str, Any] = TABLE, **params: Any) -> pl.DataFrame:
    given = {"model": "teacher", "inputs": "text", **params}
    return desk.run(rule, {"table": desk.table(table)}, **given)["table"]


def test_a_rating_is_a_whole_number_of_the_scale_with_its_explanation_before(desk: Desk, wire: WireServer) -> None:
    wire.reply("does not follow", '{"explanation": "mended", "rating": 3}')
    wire.reply("alpha", '{"explanation": "fine", "rating": 2}')
    wire.reply("beta", '{"explanation": "too high", "rating": 4}')
    table = run(desk, "rate", scale=[1, 3], explanation=True, rubric="1: bad. 3: good.", keep=["prompts"])
    assert table.columns == ["id", "text", "rating", "explanation", "prompts"]
    assert table["rating"].to_list() == [2, 3]
    assert table.schema["rating"] == pl.Int64
    asked = "Rate the input. The rating is a whole number from 1 to 3. Explain the rating first."
    assert table["prompts"][0] == f"Input: alpha\n\nInstruction: {asked}\n\nRubric:\n1: bad. 3: good."
    schema = wire.requests[0].body["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["explanation", "rating"]


def test_the_mean_of_several_ratings_is_the_rows_and_each_is_kept(desk: Desk) -> None:
    table = run(desk, "rate", samples=4, keep=["generations"])
    assert table.columns == ["id", "text", "rating", "ratings", "generations"]
    for mean, ratings in table.select("rating", "ratings").rows():
        assert len(ratings) == 4
        assert mean == sum(ratings) / 4
    assert desk.sent() == 8
    more = run(desk, "rate", samples=5)
    assert desk.sent() == 2
    assert [ratings[:4] for ratings in more["ratings"].to_list()] == table["ratings"].to_list()


def test_a_rubric_may_stand_in_a_file(desk: Desk) -> None:
    run(desk, "rate", rubric="1: bad.")
    inputs = {"table": desk.table(TABLE), "rubric": desk.file("rubric.txt", "1: bad.\n")}
    desk.run("rate", inputs, model="teacher", inputs="text")
    assert desk.sent() == 0
    with pytest.raises(SettingsError, match="scale goes from 5 to 1"):
        run(desk, "rate", scale=[5, 1])


def test_a_label_is_one_of_those_given_and_no_other(desk: Desk, wire: WireServer) -> None:
    wire.reply("alpha", '{"label": "letter"}')
    wire.reply("beta", '{"label": "Letter"}')
    labels = {"letter": "one of the signs", "word": "anything else"}
    table = run(desk, "classify", labels=labels, max_failures=1, repairs=0)
    assert table["label"].to_list() == ["letter", None]
    assert table["failure"][1].startswith("schema: label: 'Letter' is not one of")
    assert desk.facts["labels"] == {"letter": 1, "word": 0}
    prompt = wire.requests[0].body["messages"][0]["content"]
    assert prompt.endswith("Labels:\n- letter: one of the signs\n- word: anything else")
    schema = wire.requests[0].body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == ["letter", "word"]


def test_a_row_may_have_several_labels_or_none(desk: Desk, wire: WireServer) -> None:
    wire.reply("alpha", '{"labels": ["b", "a", "b"]}')
    wire.reply("beta", '{"labels": []}')
    table = run(desk, "classify", labels=["a", "b"], multi_label=True)
    assert table["labels"].to_list() == [["b", "a"], []]


def test_fields_become_columns_beside_the_row(desk: Desk, wire: WireServer) -> None:
    wire.reply("alpha", json.dumps({"name": "Ann", "year": 3}))
    wire.reply("beta", json.dumps({"name": "Bob"}))
    table = run(desk, "extract", schema=FIELDS, columns={"name": "who"})
    assert table.rows() == [(1, "alpha", "Ann", 3), (2, "beta", "Bob", None)]
    assert table.columns == ["id", "text", "who", "year"]
    with pytest.raises(SettingsError, match="two columns would be called 'id'"):
        run(desk, "extract", schema=FIELDS, columns={"name": "id"})
    with pytest.raises(SettingsError, match="fields to extract are not said"):
        run(desk, "extract")
    wire.reply("gamma", '{"name": 1}')
    with pytest.raises(ProviderError, match="name: 1 is not of type"):
        run(desk, "extract", {"text": ["gamma"]}, schema=FIELDS, repairs=0)


def test_a_schema_file_will_do(desk: Desk) -> None:
    inputs = {"table": desk.table(TABLE), "schema": desk.file("s.json", json.dumps(FIELDS))}
    assert desk.run("extract", inputs, model="teacher", inputs="text")["table"].columns[2:] == ["name", "year"]


@pytest.mark.parametrize(
    ("rule", "params", "added"),
    [
        ("rate", {}, {"rating": pl.Int64()}),
        ("rate", {"samples": 2, "explanation": True}, {"rating": pl.Float64(), "ratings": pl.List(pl.Int64())}),
        ("classify", {"labels": ["a", "b"], "multi_label": True}, {"labels": pl.List(pl.String())}),
        ("extract", {"schema": FIELDS}, {"name": pl.String(), "year": pl.Int64()}),
    ],
)
def test_an_empty_table_keeps_its_columns_and_types(
    desk: Desk, rule: str, params: dict[str, Any], added: dict[str, pl.DataType]
) -> None:
    table = run(desk, rule, pl.DataFrame(TABLE).head(0).to_dict(), **params)
    expected = {"id": pl.Int64(), "text": pl.String(), **added}
    assert {name: table.schema[name] for name in expected} == expected
    assert desk.sent() == 0


@pytest.mark.parametrize("rule", ["rate", "classify"])
def test_a_table_longer_than_a_batch_keeps_its_order(desk: Desk, rule: str) -> None:
    texts = [str(row % 5) for row in range(9000)]
    params = {"labels": ["a", "b", "c"]} if rule == "classify" else {}
    table = run(desk, rule, {"text": texts}, **params)
    assert table["text"].to_list() == texts
    assert table.unique().height == 5
    assert desk.sent() == 5
