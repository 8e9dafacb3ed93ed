"""Scores are read exactly; a row without one is last, and told."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

SAID = {"ada": "2", "bob": "Score: 4/5", "cat": "hard to say", "dan": "4", "eve": "I give it a 3."}


@pytest.fixture
def scoring(wire: WireServer) -> WireServer:
    for word, reply in SAID.items():
        wire.reply(word, reply)
    return wire


def rank(desk: Desk, **params: Any) -> pl.DataFrame:
    given = {"model": "teacher", "inputs": "text", "instruction": "How good?", **params}
    return desk.run("rank_with_prompt", {"table": desk.table({"text": list(SAID), "n": range(5)})}, **given)["table"]


def test_the_best_come_first_equal_ones_in_their_order_and_those_without_a_score_last(
    desk: Desk, scoring: WireServer
) -> None:
    table = rank(desk)
    assert table.columns == ["text", "n", "score"]
    assert table["text"].to_list() == ["bob", "dan", "eve", "ada", "cat"]
    assert table["score"].to_list() == [4, 4, 3, 2, None]
    assert desk.facts["unread_replies"] == 1
    lowest = rank(desk, descending=False)
    assert lowest["text"].to_list() == ["ada", "eve", "bob", "dan", "cat"]
    assert rank(desk, sort=False)["text"].to_list() == list(SAID)
    assert desk.sent() == 0


def test_a_threshold_leaves_out_what_is_below_and_what_has_no_score(desk: Desk, scoring: WireServer) -> None:
    table = rank(desk, threshold=3, columns={"score": "points"})
    assert table["points"].to_list() == [4, 4, 3]
    assert (desk.facts["rows"], desk.facts["dropped_rows"]) == (3, 2)


def test_a_number_outside_the_bounds_is_asked_for_again(desk: Desk, scoring: WireServer) -> None:
    scoring.rules.insert(0, ("from 3 to 5", "3"))
    table = rank(desk, minimum=3, maximum=5)
    assert sorted(table["score"].to_list()) == [3, 3, 3, 4, 4]
    with pytest.raises(SettingsError, match="lowest score"):
        rank(desk, minimum=5, maximum=3)


def test_structured_scores_follow_the_bounds(desk: Desk) -> None:
    table = rank(desk, structured=True, minimum=1, maximum=5)
    assert table["score"].is_between(1, 5).all()
    assert table["score"].is_sorted(descending=True)


def test_a_failed_row_has_no_score_and_says_why(desk: Desk, scoring: WireServer) -> None:
    scoring.tell("ada", refusal="I will not.")
    table = rank(desk, fail_on=["refusal"], max_failures=1)
    (row,) = table.filter(pl.col("text") == "ada").rows()
    assert row == ("ada", 0, None, "refusal: the model refused: I will not.")
    assert table["failure"].null_count() == 4
