from __future__ import annotations

import polars as pl
import pytest

from dreamsmk.errors import TableError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.evaluation.bench import Bench

JUDGED = {"judgement": ["a", "a", None, "tie", "b", "a"]}


def test_a_tie_is_half_a_win_and_what_nobody_judged_is_none(bench: Bench):
    found = bench.scores(bench.table(JUDGED), metrics=["win_rate"])
    assert found.select("metric", "value", "rows").rows() == [
        ("win_rate", 0.7, 5),
        ("wins", 3.0, 5),
        ("ties", 1.0, 5),
        ("losses", 1.0, 5),
        ("unjudged", 1.0, 6),
    ]


def test_the_other_side_wins_what_this_side_loses(bench: Bench):
    found = bench.values(bench.table(JUDGED), metrics=["win_rate"], win="b", loss="a")
    assert found["win_rate"] == pytest.approx(0.3)


def test_wins_alone_do_not_make_the_win_rate_certain(bench: Bench):
    (score,) = bench.scores(bench.table({"judgement": ["a"] * 10}), metrics=["win_rate"]).head(1).to_dicts()
    # R's binom::binom.wilson(10, 10) says so too
    assert (score["value"], score["low"], score["high"]) == pytest.approx((1.0, 0.7224672, 1.0))


def test_verdicts_of_one_table_are_compared_by_name(bench: Bench):
    table = bench.table({"sft": ["a", "b", "tie"], "dpo": ["a", "a", None]})
    found = bench.scores(table, metrics=["win_rate"], verdicts={"SFT": "sft", "DPO": "dpo"}, names=["SFT", "DPO"])
    rates = found.filter(metric="win_rate").select("name", "value", "rows").rows()
    assert rates == [("SFT", 0.5, 3), ("DPO", 1.0, 2)]


def test_a_table_in_which_nothing_was_judged_has_no_rate(bench: Bench):
    table = bench.table(pl.DataFrame({"judgement": [None, None]}, schema={"judgement": pl.String}))
    found = bench.scores(table, metrics=["win_rate"])
    assert found.row(0, named=True) == {"metric": "win_rate", "value": None, "low": None, "high": None, "rows": 0}
    assert found.filter(metric="unjudged")["value"].item() == 2


def test_a_verdict_that_is_none_is_an_error_that_names_its_row(bench: Bench):
    with pytest.raises(TableError, match=r"the verdict 'A' is none of 'b', 'a', 'tie'") as caught:
        bench.scores(bench.table({"judgement": ["a", "A"]}), metrics=["win_rate"])
    assert caught.value.where.endswith("'judgement', row 1 (from 0)")
    with pytest.raises(TableError, match="'tie' is none of"):
        bench.scores(bench.table(JUDGED), metrics=["win_rate"], tie=None)


def test_a_table_without_the_column_of_the_judging_rules_is_told_the_nearest(bench: Bench):
    with pytest.raises(TableError, match="no column 'judgement'") as caught:
        bench.scores(bench.table({"judgment": ["a"]}), metrics=["win_rate"])
    assert caught.value.hint == "did you mean 'judgment'?"


@pytest.mark.parametrize("both_orders", [False, True])
def test_what_the_judging_rules_leave_is_counted(desk: Desk, bench: Bench, both_orders):
    replies = ["Response A", "Response B", "Tie", "Who knows?"]
    desk.specs["judge"] = ModelSpec(provider="echo", model="echo", options={"replies": replies})
    table = desk.table({"q": [f"q{n}" for n in range(12)], "x": ["x"] * 12, "y": ["y"] * 12})
    asked = {"model": "judge", "prompts": "q", "a": "x", "b": "y", "repairs": 0, "both_orders": both_orders}
    judged = desk.run("judge_generation_pairs_with_prompt", {"table": table}, **asked)["table"]
    counts = desk.facts["judgements"]
    found = bench.values(bench.table(judged), metrics=["win_rate"])
    assert found["unjudged"] == counts["none"] > 0
    assert (found["wins"], found["losses"], found["ties"]) == (counts["a"], counts["b"], counts["tie"])
