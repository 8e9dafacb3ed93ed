"""Rows of which a model says yes are kept whole; what it did not say is never taken for yes or no."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError, TableError
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

TABLE = {"id": [1, 2, 3], "text": ["alpha", "beta", "gamma"], "tags": [["x"], [], None]}


def keep(desk: Desk, table: dict[str, Any] = TABLE, **params: Any) -> pl.DataFrame:
    given = {"model": "teacher", "inputs": "text", "instruction": "Is it Greek?", **params}
    return desk.run("filter_with_prompt", {"table": desk.table(table)}, **given)["table"]


@pytest.fixture
def answering(wire: WireServer) -> WireServer:
    for word, reply in (("alpha", "Yes."), ("beta", "No."), ("gamma", "I think: yes")):
        wire.reply(word, reply)
    return wire


def test_rows_are_kept_whole_and_in_order(desk: Desk, answering: WireServer) -> None:
    table = keep(desk, keep=["generations"], columns={"generations": "said"})
    assert table.drop("said").equals(pl.DataFrame(TABLE)[[0, 2]])
    assert table["said"].to_list() == ["Yes.", "I think: yes"]
    assert desk.facts["rows"] == 2
    assert desk.facts["dropped_rows"] == 1
    assert answering.requests[0].body["messages"][0]["content"].endswith("\n\nInstruction: Is it Greek?")


def test_what_cannot_be_read_is_asked_for_again_and_then_fails(desk: Desk, answering: WireServer) -> None:
    answering.rules[:0] = [("cannot be read", "No"), ("beta", "Yes, there is no doubt")]
    assert keep(desk)["id"].to_list() == [1, 3]
    (again,) = (request.body["messages"] for request in answering.requests if len(request.body["messages"]) == 3)
    assert again[-1]["content"].splitlines() == [
        "This cannot be read: it names 'yes' and 'no'.",
        "Answer again, with 'yes' or 'no' alone.",
    ]


@pytest.mark.parametrize(("unread", "ids"), [("drop", [1, 3]), ("keep", [1, 2, 3])])
def test_what_becomes_of_unreadable_verdicts_is_said(
    desk: Desk, answering: WireServer, unread: str, ids: list[int]
) -> None:
    answering.rules.insert(0, ("beta", "perhaps"))
    with pytest.raises(ProviderError, match="1 of 3 rows got no reply: the reply cannot be read: it names none"):
        keep(desk, repairs=0)
    assert keep(desk, repairs=0, unread=unread)["id"].to_list() == ids
    assert desk.facts["unread_replies"] == 1
    assert keep(desk, repairs=0, max_failures=1)["id"].to_list() == [1, 3]
    assert (desk.facts["failed_rows"], desk.facts["dropped_rows"]) == (1, 0)


def test_a_provider_that_takes_schemas_is_held_to_the_words(desk: Desk) -> None:
    table = keep(desk, structured=True, yes=["Greek"], no=["Latin"], keep=["generations"])
    assert set(table["generations"]) <= {'{"verdict":"Greek"}'}


def test_a_template_and_other_words_will_do(desk: Desk, wire: WireServer) -> None:
    wire.reply("alpha 1", "relevant")
    wire.reply("", "irrelevant")
    table = keep(desk, inputs=None, template="{{ text }} {{ id }}", yes=["relevant"], no=["irrelevant"])
    assert table["id"].to_list() == [1]


def test_an_empty_table_keeps_its_columns_and_types(desk: Desk) -> None:
    empty = pl.DataFrame(TABLE).head(0).to_dict()
    assert keep(desk, empty).schema == pl.DataFrame(TABLE).schema
    assert desk.sent() == 0


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"inputs": "txt"}, "did you mean 'text'"),
        ({"yes": ["no"]}, "stands for yes and for no"),
        ({"keep": ["model"], "columns": {"model": "id"}}, "two columns would be called 'id'"),
        ({"instruction": None}, "instruction is missing"),
        ({"columns": {"text": "t"}}, "no column 'text' to rename"),
    ],
)
def test_what_is_wrong_is_found_before_a_call_is_made(desk: Desk, params: dict[str, Any], said: str) -> None:
    with pytest.raises((SettingsError, TableError), match=said):
        keep(desk, **params)
    assert desk.sent() == 0
