"""`DREAMSMK_ASK_AGAIN=1`: what does its work asks its models again; a job that is forced to run does not by itself."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest

from tests.wire.server import WireServer
from tests.workflow.project import Project, Run

TARGETS = 'results/short.parquet", "results/same.parquet'
RULES = """
use rule process_with_prompt from dream as tweets with:
    input: "papers.csv"
    output: "results/tweets.parquet"
    params:
        model="teacher",
        inputs="abstract",
        instruction="Write a tweet.",
        columns={"generations": "tweet"},

# asks just what `tweets` asks
use rule process_with_prompt from dream as same with:
    input: "papers.csv"
    output: "results/same.parquet"
    params:
        model="teacher",
        inputs="abstract",
        instruction="Write a tweet.",

use rule process_with_prompt from dream as short with:
    input: "results/tweets.parquet"
    output: "results/short.parquet"
    params:
        model="teacher",
        inputs="tweet",
        instruction="Make it shorter.",
"""
# four rows, of which two are the same
PAPERS = "abstract\nAbout attention.\nAbout scaling.\nAbout attention.\nAbout cards.\n"


@pytest.fixture
def project(tmp_path: Path, wire: WireServer) -> Project:
    teacher = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url}
    config = {"models": {"teacher": teacher}}
    return Project.with_rules(tmp_path / "project", RULES, config, target=TARGETS, **{"papers.csv": PAPERS})


def run(project: Project, wire: WireServer, *arguments: str, again: bool = False) -> tuple[Run, int]:
    """Runs the workflow, one job at a time; returns what it did and how many calls it made."""
    project.environment = {"DREAMSMK_ASK_AGAIN": "1"} if again else {}
    before = wire.count
    return project.run("--cores", "1", *arguments), wire.count - before


def test_a_forced_job_asks_its_models_again_only_where_the_switch_says_so(project: Project, wire: WireServer) -> None:
    _, calls = run(project, wire)
    assert calls == 6

    nothing, calls = run(project, wire, again=True)
    assert nothing.did_nothing, "the switch makes no job run"
    assert calls == 0

    forced, calls = run(project, wire, "--forcerun", "tweets")
    assert (forced.worked, calls) == (["tweets"], 0)

    forced, calls = run(project, wire, "--forcerun", "tweets", "same", again=True)
    assert forced.worked == ["same", "tweets"]
    assert calls == 3, "each row once, though two jobs ask it"
    assert forced.restored == ["short"], "the model answered the same, so that nothing else does its work"

    wire.reply("Write a tweet.", "Another tweet.")
    planned = project.dreamsmk("plan", "--json", "--forcerun", "tweets", "--", "results/tweets.parquet")
    assert json.loads(planned.stdout)["totals"]["to_make"] == 3, planned.stderr
    forced, calls = run(project, wire, "--forcerun", "tweets", again=True)
    assert forced.worked == ["short", "tweets"]
    assert calls == 3 + 1, "what follows has one new row"
    tweets = polars.read_parquet(project.folder / "results/tweets.parquet")["tweet"].to_list()
    assert tweets == ["Another tweet."] * 4

    forced, calls = run(project, wire, "--forcerun", "tweets", "same")
    assert forced.worked == ["same", "tweets"]
    assert calls == 0, "the new replies took the place of the old ones"
    same = polars.read_parquet(project.folder / "results/same.parquet")["generations"].to_list()
    assert same == tweets
