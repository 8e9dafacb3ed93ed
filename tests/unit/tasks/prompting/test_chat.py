"""Each row has a conversation of its own, which goes on turn by turn and is kept whole."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError, TableError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

MESSAGES = pl.List(pl.Struct({"role": pl.String(), "content": pl.String()}))


def chat(desk: Desk, table: dict[str, Any], **params: Any) -> pl.DataFrame:
    return desk.run("chat", {"table": desk.table(table)}, model="teacher", **params)["table"]


def said(conversation: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in conversation]


def test_turns_are_said_one_after_the_other_with_the_replies_between(desk: Desk, wire: WireServer) -> None:
    for word, reply in (("Who", "Ann"), ("Where", "Rome"), ("Sure", "Yes")):
        wire.reply(word, reply)
    turns = ["Who is {{ a }}?", "Where?", "Sure of {{ replies | join('/') }} ({{ reply }}, {{ a }})?"]
    table = chat(desk, {"a": ["x"]}, turns=turns, system_prompt="Be brief.", carry=["a"])
    assert table.columns == ["a", "messages", "generations"]
    assert said(table["messages"][0]) == [
        ("system", "Be brief."),
        ("user", "Who is x?"),
        ("assistant", "Ann"),
        ("user", "Where?"),
        ("assistant", "Rome"),
        ("user", "Sure of Ann/Rome (Rome, x)?"),
        ("assistant", "Yes"),
    ]
    assert table["generations"].to_list() == ["Yes"]
    assert desk.models["teacher"].tally.followups == 2


def test_rows_that_begin_alike_go_on_each_in_its_own_way_and_keep_their_order(desk: Desk) -> None:
    rows = {"a": [str(number % 3) for number in range(40)], "b": [str(number) for number in range(40)]}
    table = chat(desk, rows, turns=["Begin {{ a }}.", "Go on {{ b }}."])
    for number, (conversation, reply) in enumerate(table.iter_rows()):
        first, answer, second, last = [content for _, content in said(conversation)]
        assert (first, second) == (f"Begin {number % 3}.", f"Go on {number}.")
        assert answer.endswith(first)
        assert last == reply
        assert reply.endswith(second)
    assert desk.sent() == 3 + 40
    assert chat(desk, rows, turns=["Begin {{ a }}.", "Go on {{ b }}."]).equals(table)
    assert desk.sent() == 0


def test_conversations_of_a_column_are_answered(desk: Desk) -> None:
    talk = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
    for column in ([talk], [json.dumps(talk)]):
        table = chat(desk, {"talk": column}, messages="talk")
        assert said(table["messages"][0])[:2] == [("system", "S"), ("user", "Q")]
        assert said(table["messages"][0])[2] == ("assistant", table["generations"][0])
    assert desk.sent() == 0, "the same conversation, however it is written"
    assert said(chat(desk, {"talk": ["Hello"]}, messages="talk")["messages"][0])[0] == ("user", "Hello")


def test_turns_go_on_where_a_conversation_of_a_column_ends(desk: Desk) -> None:
    asked = [{"role": "user", "content": "Q"}]
    answered = [*asked, {"role": "assistant", "content": "A"}]
    table = chat(desk, {"talk": [asked, answered]}, messages="talk", turns=["Why {{ reply }}?"])
    first, second = (said(conversation) for conversation in table["messages"])
    assert [role for role, _ in first] == ["user", "assistant", "user", "assistant"]
    assert second[:3] == [("user", "Q"), ("assistant", "A"), ("user", "Why A?")]
    assert len(second) == 4


def test_an_empty_table_keeps_its_columns_and_types(desk: Desk) -> None:
    table = chat(desk, {"a": pl.Series([], dtype=pl.String)}, turns=["{{ a }}"], max_failures=1)
    assert dict(table.schema) == {"messages": MESSAGES, "generations": pl.String, "failure": pl.String}


def test_a_reply_that_cannot_be_followed_fails_its_row_alone(desk: Desk, wire: WireServer) -> None:
    wire.reply("first x", " ")
    table = chat(desk, {"a": ["x", "y"]}, turns=["first {{ a }}", "second"], max_failures=1)
    assert table["failure"].to_list() == ["empty: the reply is empty", None]
    assert table["messages"].is_null().to_list() == [True, False]
    with pytest.raises(ProviderError, match="the reply is empty"):
        chat(desk, {"a": ["x", "y"]}, turns=["first {{ a }}", "second"])


def test_a_turn_that_is_refused_fails_its_row(desk: Desk) -> None:
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"fail_on": "poison"})
    table = chat(desk, {"a": ["poison", "y"]}, turns=["Hi", "{{ a }}"], max_failures=1)
    assert table["generations"].is_null().to_list() == [True, False]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, "nothing to say"),
        ({"turns": ["{{ b }}"]}, "no such column"),
        ({"turns": ["{{ reply }}"]}, "no such column"),
        ({"turns": ["{{ a"]}, "no Jinja2"),
        ({"messages": "c"}, "no column 'c'"),
        ({"messages": "n"}, "no conversation"),
        ({"messages": "bad"}, "no .role, content."),
        ({"messages": "tool"}, "has 'tool_calls'"),
        ({"messages": "done"}, "does not end with the user"),
        ({"messages": "sys", "system_prompt": "S"}, "system messages of their own"),
    ],
)
def test_what_is_wrong_is_found_before_a_call_is_made(desk: Desk, params: dict[str, Any], found: str) -> None:
    table = {
        "a": ["x"],
        "n": [None],
        "bad": [[{"role": "judge", "content": "c"}]],
        "tool": [[{"role": "user", "content": "c", "tool_calls": [{"name": "f"}]}]],
        "done": [[{"role": "assistant", "content": "c"}]],
        "sys": [[{"role": "system", "content": "c"}, {"role": "user", "content": "c"}]],
    }
    with pytest.raises((SettingsError, TableError), match=found):
        chat(desk, table, **params)
    assert desk.sent() == 0
