from __future__ import annotations

from dreamsmk.cli.plan_text import footnotes, plan_text
from dreamsmk.smk.planning import Plan
from tests.unit.smk.planning.examples import job_line, model_line

WIDE = 200


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_one_line_a_job_and_the_sums():
    plan = Plan([job_line(model_line()), job_line(rule="all_done", why="missing output", rows=None)], "a list")
    head, tweets, other, total = plan_text(plan)
    assert cells(head)[:3] == ["job", "why", "rows"]
    assert cells(tweets) == ["tweets", "missing output", "10", "4", "6", "~600", "~1,200", "~$0.5000", "-"]
    assert cells(other) == ["all_done", "missing output", *"-------"]
    assert cells(total) == ["total", "2 jobs", "4", "6", "~600", "~1,200", "~$0.5000", "-"]


def test_an_estimate_is_marked_and_what_nobody_knows_is_said():
    unknown = model_line(cached=None, output_tokens=None, cost_usd=None, prices=None)
    plan = Plan([job_line(unknown, is_estimate=True, why="after abstracts")], "a list 1")
    _, line, total = plan_text(plan)
    assert cells(line) == ["tweets", "after abstracts", "~10", "?", "~6", "~600", "?", "unknown", "-"]
    assert "unknown" in total
    notes = " ".join(footnotes(plan))
    assert "~ before rows and calls" in notes
    assert "a list 1" in notes


def test_millions_of_tokens_are_not_shown_to_the_last_one():
    line = plan_text(Plan([job_line(model_line(input_tokens=2_597_223))], None))[1]
    assert "~2.6M" in line


def test_a_restored_job_says_so():
    line = plan_text(Plan([job_line(action="restore")], None))[1]
    assert "missing output: restored from the store" in line


def test_many_jobs_are_shown_by_rule_unless_all_are_wanted():
    jobs = [job_line(model_line(), wildcards={"round": str(number)}) for number in range(50)]
    _, line, _ = plan_text(Plan(jobs, None))
    assert cells(line)[:5] == ["tweets × 50", "missing output", "500", "200", "300"]
    assert len(plan_text(Plan(jobs, None), is_whole=True)) == 52
    assert "round=49" in plan_text(Plan(jobs, None), is_whole=True)[-2]


def test_a_line_fits_a_narrow_terminal_with_its_numbers_whole():
    plan = Plan([job_line(model_line(), rule="a" * 50, why="params: " + "b" * 50)], None)
    lines = plan_text(plan, width=100)
    assert max(map(len, lines)) <= 100
    assert "~1,200" in lines[1]


def test_local_models_need_no_price_list():
    plan = Plan([job_line(model_line(cost_usd=0.0, prices="local"))], None)
    assert not any("price" in note for note in footnotes(plan))
    assert "$0" in plan_text(plan)[1]
