"""`dreamsmk plan` says before a run what the run then does, call by call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.wire.server import WireServer
from tests.workflow.project import ROOT, Project

TARGETS = 'results/short.parquet", "results/ideas.parquet'
RULES = """
use rule process_with_prompt from dream as tweets with:
    input: "papers.csv"
    output: "results/tweets.parquet"
    params:
        model="teacher",
        inputs="abstract",
        instruction="Write a tweet.",
        columns={"generations": "tweet"},

use rule process_with_prompt from dream as short with:
    input: "results/tweets.parquet"
    output: "results/short.parquet"
    params:
        model="teacher",
        inputs="tweet",
        instruction="Make it shorter.",

use rule data_from_prompt from dream as ideas with:
    output: "results/ideas.parquet"
    params:
        model="teacher",
        n=4,
        instruction="Have an idea.",
"""
# five rows, of which two are the same
PAPERS = "abstract\nAbout attention.\nAbout scaling.\nAbout attention.\nAbout distillation.\nAbout cards.\n"
PRICES = {"input_usd_per_million": 1.0, "output_usd_per_million": 4.0}


@pytest.fixture
def project(tmp_path: Path, wire: WireServer) -> Project:
    teacher = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url, "max_tokens": 50, "prices": PRICES}
    config = {"models": {"teacher": teacher}}
    return Project.with_rules(tmp_path / "project", RULES, config, target=TARGETS, **{"papers.csv": PAPERS})


def plan_of(project: Project, *arguments: str) -> dict[str, Any]:
    done = project.dreamsmk("plan", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    plan: dict[str, Any] = json.loads(done.stdout)
    return plan


def lines(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {job["rule"]: job for job in plan["jobs"]}


def calls_of_run(project: Project, wire: WireServer, *arguments: str) -> int:
    before = wire.count
    project.run(*arguments)
    return wire.count - before


def files_of(project: Project) -> set[str]:
    found = {str(path.relative_to(project.folder)) for path in project.folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith((".snakemake/", ".dreamsmk/digests.db"))}


def test_before_the_first_run_it_counts_what_can_be_counted_and_marks_the_rest(
    project: Project, wire: WireServer
) -> None:
    before = files_of(project)
    plan = plan_of(project)
    assert wire.count == 0
    assert files_of(project) == before, "a plan writes nothing"
    tweets, short, ideas = (lines(plan)[name] for name in ("tweets", "short", "ideas"))
    assert (tweets["is_estimate"], tweets["rows"], tweets["cached"], tweets["to_make"]) == (False, 5, 1, 4)
    assert (short["is_estimate"], short["rows"], short["cached"], short["to_make"]) == (True, 5, None, 5)
    assert (ideas["is_estimate"], ideas["to_make"]) == (False, 4)
    assert [tweets["why"], short["why"], ideas["why"]] == ["missing output"] * 3
    assert tweets["output_tokens"] == 4 * 50, "without any reply, a reply is as long as it may be"
    assert tweets["models"][0]["output_basis"] == "max_tokens"
    assert tweets["cost_usd"] == pytest.approx((tweets["input_tokens"] * 1 + 200 * 4) / 1e6)
    assert plan["totals"]["to_make"] == 13
    assert calls_of_run(project, wire, "results/tweets.parquet", "results/ideas.parquet") == 8
    now = plan_of(project)
    assert list(lines(now)) == ["short"]
    assert (lines(now)["short"]["is_estimate"], lines(now)["short"]["to_make"]) == (False, 4)
    assert calls_of_run(project, wire) == 4
    assert project.dreamsmk("plan").stdout == "nothing to do\n"
    assert plan_of(project)["jobs"] == []


def test_it_says_what_changed_and_the_run_then_makes_just_the_calls_it_said(project: Project, wire: WireServer) -> None:
    project.run()
    # half of the rows are new, one of them twice
    project.write("papers.csv", PAPERS + "About trees.\nAbout graphs.\nAbout trees.\n")
    plan = plan_of(project)
    tweets = lines(plan)["tweets"]
    assert tweets["why"] == "input changed"
    assert (tweets["rows"], tweets["cached"], tweets["to_make"]) == (8, 6, 2)
    assert tweets["models"][0]["output_basis"] == "mean of 4 earlier replies"
    assert lines(plan)["short"]["why"] == "after tweets"
    assert calls_of_run(project, wire, "results/tweets.parquet") == 2
    project.run()

    project.replace("Snakefile", "n=4", "n=7")
    project.replace("Snakefile", "Make it shorter.", "Make it much shorter.")
    plan = plan_of(project)
    assert lines(plan)["ideas"]["why"] == "params: n changed"
    assert (lines(plan)["ideas"]["cached"], lines(plan)["ideas"]["to_make"]) == (4, 3)
    assert lines(plan)["short"]["why"] == "params: instruction changed"
    assert lines(plan)["short"]["to_make"] == 6
    assert plan["totals"]["is_estimate"] is False
    assert calls_of_run(project, wire) == plan["totals"]["to_make"] == 9

    config = project.config
    config["models"]["teacher"]["temperature"] = 0.5
    project.configure(config)
    plan = plan_of(project, "results/ideas.parquet")
    assert lines(plan)["ideas"]["why"] == "model: temperature changed"
    assert calls_of_run(project, wire, "results/ideas.parquet") == plan["totals"]["to_make"] == 7


def test_what_the_store_has_is_restored_with_all_that_is_made_of_it(project: Project, wire: WireServer) -> None:
    project.run()
    project.replace("Snakefile", "Write a tweet.", "Write a long tweet.")
    project.run()
    project.replace("Snakefile", "Write a long tweet.", "Write a tweet.")
    plan = plan_of(project)
    assert {rule: job["action"] for rule, job in lines(plan).items()} == {"tweets": "restore", "short": "restore"}
    assert lines(plan)["short"]["rows"] == 5
    assert plan["totals"]["to_make"] == 0
    # what reads a table that will be restored is counted on the table as it will be
    project.replace("Snakefile", "Make it shorter.", "Make it short.")
    plan = plan_of(project)
    assert (lines(plan)["short"]["is_estimate"], lines(plan)["short"]["to_make"]) == (False, 4)
    assert calls_of_run(project, wire) == 4

    forced = plan_of(project, "--forcerun", "ideas")
    assert (lines(forced)["ideas"]["why"], lines(forced)["ideas"]["action"]) == ("forced", "run")
    assert (lines(forced)["ideas"]["cached"], lines(forced)["ideas"]["to_make"]) == (4, 0)


def test_the_table_is_for_people_and_goes_to_stdout_alone(project: Project, wire: WireServer) -> None:
    config = project.config
    del config["models"]["teacher"]["prices"]
    project.configure(config)
    done = project.dreamsmk("plan")
    head, *jobs, total = done.stdout.splitlines()
    assert head.split()[:3] == ["job", "why", "rows"]
    assert len(jobs) == 3
    assert total.startswith("total")
    assert "\x1b[" not in done.stdout
    assert "unknown" in total
    assert "no price is known for gpt: give models.teacher.prices" in done.stderr
    assert "genai-prices" in done.stderr


def test_a_plan_reports_what_a_run_would_fail_with(project: Project, wire: WireServer) -> None:
    project.write("papers.csv", "abstract,n\nAbout attention.,1\n,2\n")
    done = project.dreamsmk("plan")
    assert done.returncode == 1
    assert "row 1" in done.stderr
    assert done.stdout == ""


def test_a_missing_key_is_a_note(project: Project) -> None:
    config = project.config
    config["models"]["teacher"] = {"provider": "openai", "model": "gpt-4o-mini", "max_tokens": 50}
    project.configure(config)
    plan = plan_of(project)
    assert any("OPENAI_API_KEY" in note for note in plan["notes"])
    assert lines(plan)["tweets"]["models"][0]["prices"].startswith("genai-prices ")
    assert lines(plan)["tweets"]["cost_usd"] > 0


def test_planning_for_a_local_model_loads_none(project: Project) -> None:
    config = project.config
    config["models"]["teacher"] = {"provider": "transformers", "model": "org/model", "max_tokens": 8}
    project.configure(config)
    heavy = "torch transformers trl peft datasets accelerate openai anthropic"
    code = "import sys; from dreamsmk.cli import main; main(['plan']); print({*sys.argv[1:]} & {*sys.modules})"
    command = [sys.executable, "-c", code, *heavy.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"
    assert "total" in done.stdout
