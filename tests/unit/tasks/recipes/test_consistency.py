"""Several samples a row, and the answer that most of them give."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.recipes.planned import in_pieces, planned
from tests.wire import WireServer

RULE = "consistency"
ASK: dict[str, Any] = {"model": "teacher", "inputs": "text", "n": 5, "pattern": r"is (\d+)"}
SCHEMA = {
    "type": "object",
    "required": ["answer"],
    "properties": {"thoughts": {"type": "string"}, "answer": {"type": "integer"}},
}


def agree(desk: Desk, texts: Any, **params: Any) -> pl.DataFrame:
    return desk.run(RULE, {"table": desk.table({"text": texts})}, **{**ASK, **params})["table"]


@pytest.fixture
def solver(desk: Desk) -> Desk:
    """A teacher who is right more often than not."""
    replies = ["It is 42.", "It is 13.", "Hm: it is 42.", "I do not know."]
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"replies": replies})
    return desk


def test_the_answer_of_most_samples_is_taken_with_its_share(solver: Desk) -> None:
    table = agree(solver, ["x", "y", "z"], all=True, keep=["generations"])
    assert table.columns == [
        *("inputs", "answer", "votes", "agreement", "is_tied", "answers", "candidates", "generations"),
    ]
    for row in table.iter_rows(named=True):
        assert row["votes"] == row["answers"].count(row["answer"])
        assert row["agreement"] == row["votes"] / 5
        assert row["generations"] == row["candidates"][row["answers"].index(row["answer"])]
    assert solver.sent() == 15
    assert solver.facts["sampling"] == {"temperature": 0.7}


def test_ties_are_marked_and_go_to_the_first(solver: Desk) -> None:
    table = agree(solver, [str(number) for number in range(30)], n=4, all=True)
    tied = table.filter("is_tied")
    assert tied.height == solver.facts["ties"] > 0
    for row in tied.iter_rows(named=True):
        assert row["answer"] == next(answer for answer in row["answers"] if answer is not None)


def test_more_samples_pay_for_the_new_ones_alone_and_pieces_for_nothing(solver: Desk) -> None:
    agree(solver, ["x", "y", "x"], n=3)
    assert solver.sent() == 6
    whole = agree(solver, ["x", "y", "x"], all=True).to_dicts()
    assert solver.sent() == 4
    assert in_pieces(solver, RULE, ["x", "y", "x"], **ASK, all=True) == (whole, 0)


def test_the_answer_may_be_a_field(desk: Desk) -> None:
    table = agree(desk, ["x"], pattern=None, schema=SCHEMA, field="answer", all=True)
    assert table["answer"].dtype == pl.String()
    assert table["answers"].to_list()[0].count(table["answer"][0]) == table["votes"][0]
    in_file = {"table": desk.table({"text": ["x"]}), "schema": desk.file("s.yaml", SCHEMA_FILE)}
    given = {**ASK, "pattern": None, "field": "answer"}
    assert desk.run(RULE, in_file, **given)["table"]["answer"].to_list() == table["answer"].to_list()
    assert desk.sent() == 0


SCHEMA_FILE = """
type: object
required: [answer]
properties:
  thoughts: {type: string}
  answer: {type: integer}
"""


def test_a_row_of_which_no_sample_has_an_answer_fails(solver: Desk) -> None:
    with pytest.raises(ProviderError, match="2 of 2 rows have no result: other: no sample has an answer"):
        agree(solver, ["x", "y"], pattern="never")
    table = agree(solver, ["x", "y"], pattern="never", max_failures=2)
    assert table["answer"].to_list() == [None, None]
    assert table["agreement"].to_list() == [0.0, 0.0]
    assert table["failure"].to_list() == ["other: no sample has an answer"] * 2
    assert solver.sent() == 0


def test_a_sample_that_failed_has_no_vote(desk: Desk, wire: WireServer) -> None:
    wire.reply("x", "It is 7.")
    wire.fail("status", status=400, times=2)
    table = agree(desk, ["x"], max_failures=1)
    assert table.row(0) == ("x", "7", 3, 0.6, False, None)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": "(a)(b)"}, "several groups"),
        ({"field": "answer"}, "both a field and"),
        ({"pattern": None, "field": "answer"}, "give a schema"),
        ({"pattern": None, "schema": SCHEMA}, "which field"),
        ({"pattern": None, "schema": SCHEMA, "field": "anser"}, "did you mean 'answer'"),
    ],
)
def test_an_unclear_answer_is_found_before_a_call(desk: Desk, params: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        agree(desk, ["x"], **params)
    assert desk.sent() == 0


def test_an_empty_table_keeps_its_columns_and_calls_nobody(desk: Desk) -> None:
    table = agree(desk, pl.Series([], dtype=pl.String), all=True, keep=["prompts"])
    assert table.schema == {
        "inputs": pl.String(),
        "prompts": pl.String(),
        "answer": pl.String(),
        "votes": pl.Int64(),
        "agreement": pl.Float64(),
        "is_tied": pl.Boolean(),
        "answers": pl.List(pl.String()),
        "candidates": pl.List(pl.String()),
    }
    assert desk.sent() == 0


def test_the_plan_is_what_is_asked(solver: Desk) -> None:
    inputs = {"table": solver.table({"text": ["x", "y"]})}
    (requests,) = planned(solver, RULE, inputs, **ASK, instruction="Solve it.", carry=["text"])
    assert [request.sample for request in requests] == [0, 1, 2, 3, 4] * 2
    assert requests[0].sampling.temperature == 0.7
    table = solver.run(RULE, inputs, **ASK, instruction="Solve it.", keep=["prompts"])["table"]
    assert table["prompts"].to_list() == [requests[0].messages[0].content, requests[5].messages[0].content]
