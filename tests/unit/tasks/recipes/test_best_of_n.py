"""The reply with the highest score is kept, whoever gives the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError, TableError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.recipes.planned import in_pieces, planned
from tests.wire import WireServer

RULE = "best_of_n"
ASK: dict[str, Any] = {"model": "teacher", "inputs": "text", "n": 4}
JUDGE = {"model": "student", "rubric": "It is short."}


def best(desk: Desk, texts: Any, **params: Any) -> pl.DataFrame:
    return desk.run(RULE, {"table": desk.table({"text": texts})}, **{**ASK, **params})["table"]


@pytest.fixture
def varied(desk: Desk) -> Desk:
    """A teacher with replies of several lengths."""
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"replies": ["a", "bb 7", "ccc ccc"]})
    return desk


def assert_best(table: pl.DataFrame) -> None:
    for row in table.iter_rows(named=True):
        scores = [score for score in row["scores"] if score is not None]
        assert row["score"] == max(scores)
        assert row["sample"] == row["scores"].index(row["score"]), "the first of several"
        assert row["generations"] == row["candidates"][row["sample"]]


@pytest.mark.parametrize(("length", "sign"), [("longest", 1), ("shortest", -1)])
def test_the_longest_or_the_shortest_is_kept(varied: Desk, length: str, sign: int) -> None:
    table = best(varied, ["x", "y", "z"], length=length, all=True, n=6)
    assert table.columns == ["inputs", "score", "sample", "candidates", "scores", "generations"]
    assert_best(table)
    assert table["scores"].to_list() == [[sign * len(text) for text in row] for row in table["candidates"].to_list()]


def test_what_a_pattern_finds_is_better(varied: Desk) -> None:
    table = best(varied, [str(number) for number in range(9)], pattern=r"\d", all=True, n=6)
    assert_best(table)
    assert table["score"].to_list() == [float("bb 7" in row) for row in table["candidates"].to_list()]
    assert "bb 7" in set(table["generations"])


def test_a_judge_rates_each_reply_to_the_prompt(varied: Desk) -> None:
    ratings = ['{"rating": 1}', '{"rating": 4}', '{"rating": 5}']
    varied.specs["student"] = ModelSpec(provider="echo", model="judge", options={"replies": ratings})
    table = best(varied, ["x", "y"], judge=JUDGE, instruction="Say it.", all=True)
    assert_best(table)
    assert {score for row in table["scores"] for score in row} <= {1, 4, 5}
    assert varied.facts["unscored"] == 0
    asked = planned(varied, RULE, {"table": varied.table({"text": ["x"]})}, **ASK, judge=JUDGE, instruction="Say it.")
    assert [len(requests) for requests in asked] == [4, 4]
    said = asked[1][0].messages[0].content
    assert said.startswith("Prompt:\nInput: x\n\nInstruction: Say it.\n\nResponse:\n")
    assert said.endswith("The rating is a whole number from 1 to 5.\n\nRubric:\nIt is short.")


def test_a_judge_that_gives_no_rating_is_asked_again_and_then_gives_none(desk: Desk, wire: WireServer) -> None:
    desk.specs["student"] = desk.specs["teacher"]
    wire.reply("rating", '{"rating": 9}')
    wire.reply("zebra", "stripes {number}")
    with pytest.raises(ProviderError, match="9 is greater than the maximum of 5"):
        best(desk, ["zebra"], judge=JUDGE, n=1)
    assert wire.count == 3, "a reply, its rating, and another attempt at that"
    table = best(desk, ["zebra"], judge=JUDGE, n=1, max_failures=1, all=True)
    assert table.row(0, named=True) == {
        "inputs": "zebra",
        "score": None,
        "sample": None,
        "candidates": ["stripes 1"],
        "scores": [None],
        "generations": None,
        "failure": "other: no sample has a score",
    }
    assert desk.facts["unscored"] == 1
    assert best(desk, ["zebra"], judge={**JUDGE, "scale": [0, 10]}, n=1)["score"].to_list() == [9]


def test_a_function_gives_the_score(varied: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(varied.folder)
    lines = ["def score(prompt, reply):", "    return None if prompt in reply else len(reply)"]
    varied.file("scorers_of_lengths.py", "\n".join(lines))
    table = best(varied, ["x", "a"], function="scorers_of_lengths.py:score", all=True, n=8)
    assert_best(table)
    assert table["scores"].to_list()[1].count(None) == table["candidates"].to_list()[1].count("a") > 0


@pytest.mark.parametrize(
    ("returned", "said"), [("'good'", "no number"), ("float('nan')", "no number"), ("1 / 0", "division by zero")]
)
def test_a_function_that_gives_no_number_is_an_error(
    varied: Desk, monkeypatch: pytest.MonkeyPatch, returned: str, said: str
) -> None:
    monkeypatch.chdir(varied.folder)
    name = f"scorers_{abs(hash(returned))}.py"
    varied.file(name, f"def score(prompt, reply):\n    return {returned}\n")
    with pytest.raises(TableError, match=said) as caught:
        best(varied, ["x"], function=f"{name}:score")
    assert "for the reply" in caught.value.where


def test_equal_rows_share_their_samples_and_pieces_ask_for_nothing_more(varied: Desk) -> None:
    table = best(varied, ["x", "y", "x"], length="longest", all=True)
    assert varied.sent() == 8
    assert table.row(0) == table.row(2)
    whole = table.to_dicts()
    assert in_pieces(varied, RULE, ["x", "y", "x"], **ASK, length="longest", all=True) == (whole, 0)


def test_more_samples_pay_for_the_new_ones_alone(varied: Desk) -> None:
    first = best(varied, ["x", "y"], length="longest", all=True)["candidates"].to_list()
    second = best(varied, ["x", "y"], length="longest", all=True, n=6)["candidates"].to_list()
    assert varied.sent() == 4
    assert [row[:4] for row in second] == first


def test_samples_are_drawn_with_a_temperature_unless_one_is_given(desk: Desk) -> None:
    best(desk, ["x"], length="longest")
    assert desk.facts["sampling"] == {"temperature": 1.0}
    best(desk, ["x"], length="longest", temperature=0.3)
    assert "sampling" not in desk.facts


def test_samples_that_failed_are_never_the_best_and_a_row_without_others_fails(desk: Desk, wire: WireServer) -> None:
    wire.fail("status", status=400, times=1)
    table = best(desk, ["x", "y"], length="longest", max_failures=1, all=True, keep=["prompts", "finish_reason"])
    assert table["failure"].null_count() == 2
    assert sum(row.count(None) for row in table["candidates"].to_list()) == 1
    assert_best(table)
    assert table["prompts"].to_list() == ["x", "y"]
    wire.fail("status", status=400, times=4)
    with pytest.raises(ProviderError, match="got no reply"):
        best(desk, ["z"], length="longest")
    wire.clear()
    wire.fail("status", status=400, times=99)
    with pytest.raises(ProviderError, match="2 of 2 rows have no result: rejected"):
        best(desk, ["u", "v"], length="longest", max_failures=1)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "nothing says how replies are scored"),
        ({"length": "longest", "pattern": "x"}, "scored by pattern and by length"),
        ({"pattern": "("}, "no regular expression"),
        ({"judge": {**JUDGE, "scale": [5, 1]}}, "the scale goes from 5 to 1"),
    ],
)
def test_wrong_ways_to_score_are_found_before_a_call(desk: Desk, params: Mapping[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        best(desk, ["x"], **params)
    assert desk.sent() == 0


def test_an_empty_table_keeps_its_columns_and_calls_nobody(desk: Desk) -> None:
    table = best(desk, pl.Series([], dtype=pl.String), judge=JUDGE, all=True, max_failures=1)
    assert table.schema == {
        "inputs": pl.String(),
        "score": pl.Float64(),
        "sample": pl.Int64(),
        "candidates": pl.List(pl.String()),
        "scores": pl.List(pl.Float64()),
        "generations": pl.String(),
        "failure": pl.String(),
    }
    assert desk.sent() == 0


def test_a_template_and_carried_columns(varied: Desk) -> None:
    table = varied.table({"text": ["x", "y"], "id": [1, 2]})
    given = {**ASK, "inputs": None, "template": "{{ id }}: {{ text }}", "carry": ["id"], "length": "longest"}
    made = varied.run(RULE, {"table": table}, **given)["table"]
    assert made.columns == ["id", "inputs", "score", "sample", "generations"]
    assert made["inputs"].to_list() == ["1: x", "2: y"]
    assert made["id"].to_list() == [1, 2]
