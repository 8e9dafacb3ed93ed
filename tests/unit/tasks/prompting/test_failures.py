"""Rows that get no reply that can be used are marked, never filled with null text as if it were an answer."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

RULE = "process_with_prompt"
TEXTS = ["fine", "cut", "held", "no", "empty"]
KINDS = {"cut": "length", "held": "content_filter", "no": "refusal", "empty": "empty"}


@pytest.fixture
def wanting(wire: WireServer) -> WireServer:
    """A service whose reply to each of the texts but the first is less than one."""
    wire.reply("empty", " \n")
    for text, reason in (("cut", "length"), ("held", "content_filter")):
        wire.tell(text, finish_reason=reason)
    wire.tell("no", refusal="I will not.")
    return wire


def process(desk: Desk, texts: list[str], **params: Any) -> pl.DataFrame:
    given = {"model": "teacher", "inputs": "text", "instruction": "Do it.", **params}
    return desk.run(RULE, {"table": desk.table({"text": texts})}, **given)["table"]


def test_what_is_less_than_a_reply_is_counted_and_written_as_it_came(desk: Desk, wanting: WireServer) -> None:
    table = process(desk, TEXTS, keep=["finish_reason"])
    assert table["generations"].null_count() == 0
    assert table["generations"].to_list()[3:] == ["", " \n"]
    assert table["finish_reason"].to_list() == ["stop", "length", "content_filter", "refusal", "stop"]
    tally = desk.models["teacher"].tally
    assert (tally.failed, tally.truncated, tally.refusals) == (0, 1, 1)
    assert tally.finish_reasons["content_filter"] == 1


@pytest.mark.parametrize(("text", "kind"), KINDS.items())
def test_each_of_it_fails_its_row_where_fail_on_says_so(desk: Desk, wanting: WireServer, text: str, kind: str) -> None:
    table = process(desk, TEXTS, fail_on=[kind], max_failures=1, keep=["finish_reason"])
    assert table.columns == ["inputs", "finish_reason", "generations", "failure"]
    failed = table.filter(pl.col("failure").is_not_null())
    assert failed["inputs"].to_list() == [text]
    assert failed["failure"][0].startswith(f"{kind}: the ")
    assert failed["generations"].to_list() == [None]
    assert failed["finish_reason"].null_count() == 0, "how it came to be is known"
    assert table["generations"].null_count() == 1
    assert desk.models["teacher"].tally.failures == {kind: 1}


def test_the_words_of_a_refusal_are_the_reason(desk: Desk, wanting: WireServer) -> None:
    table = process(desk, ["no"], fail_on=["refusal"], max_failures=1)
    assert table["failure"].to_list() == ["refusal: the model refused: I will not."]


def test_a_row_that_the_service_rejects_is_marked_and_its_calls_columns_are_null(desk: Desk) -> None:
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"fail_on": "poison"})
    table = process(desk, ["a", "poison", "b"], max_failures=0.34, keep=["prompts", "model", "usage"])
    assert table.row(1, named=True) == {
        "inputs": "poison",
        "prompts": "Input: poison\n\nInstruction: Do it.",
        "model": None,
        "usage": None,
        "generations": None,
        "failure": "rejected: echo says 400: the prompt holds 'poison'",
    }
    assert table["failure"].to_list()[::2] == [None, None]


def test_one_failure_more_than_may_be_fails_the_job_and_all_others_are_kept(desk: Desk, wanting: WireServer) -> None:
    with pytest.raises(ProviderError, match="4 of 5 rows got no reply"):
        process(desk, TEXTS, fail_on=list(KINDS.values()), max_failures=3)
    assert not (desk.folder / "made_table.parquet").exists()
    process(desk, TEXTS, fail_on=list(KINDS.values()), max_failures=4)
    assert desk.sent() == 0, "a reply that cannot be used was paid for too"


def test_without_failures_that_may_be_there_is_no_column_for_them(desk: Desk) -> None:
    assert process(desk, ["a"]).columns == ["inputs", "generations"]
    assert process(desk, ["a"], max_failures=1)["failure"].to_list() == [None]


def test_the_column_can_be_renamed_like_others(desk: Desk) -> None:
    assert process(desk, ["a"], max_failures=1, columns={"failure": "why"}).columns[-1] == "why"
    with pytest.raises(SettingsError, match="no column 'failure' to rename"):
        process(desk, ["a"], columns={"failure": "why"})


def test_samples_are_marked_too(desk: Desk, wire: WireServer) -> None:
    wire.fail("status", status=400, times=1)
    table = desk.run("data_from_prompt", {}, model="teacher", n=3, instruction="Write.", max_failures=1)["table"]
    assert table.columns == ["generations", "failure"]
    assert table["failure"].null_count() == 2
    assert table.filter(pl.col("failure").is_not_null())["generations"].to_list() == [None]
