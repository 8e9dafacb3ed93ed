"""How a rule uses the call cache, and what an offline run does without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.calls import SqliteCallCache
from tests.wire.server import WireServer
from tests.workflow.project import Project

RULES = """
use rule process_with_prompt from dream as tweets with:
    input: "papers.csv"
    output: "results/tweets.parquet"
    params:
        model="teacher",
        inputs="abstract",
        instruction="Write a tweet.",
        cache=None,
"""
PAPERS = "abstract\nAbout attention.\nAbout scaling.\nAbout attention.\n"


def texts(project: Project) -> list[str]:
    found: list[str] = pl.read_parquet(project.folder / "results/tweets.parquet")["generations"].to_list()
    return found


def stored(project: Project) -> int:
    with SqliteCallCache(project.folder / ".dreamsmk/calls.db") as cache:
        return sum(model.calls for model in cache.stats())


def test_a_rule_says_how_it_uses_the_cache_and_offline_needs_no_key_and_no_socket(
    tmp_path: Path, wire: WireServer
) -> None:
    teacher: dict[str, Any] = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url}
    teacher["api_key_env"] = "TEACHER_KEY"
    config = {"models": {"teacher": teacher}}
    project = Project.with_rules(
        tmp_path / "p", RULES, config, target="results/tweets.parquet", **{"papers.csv": PAPERS}
    )
    project.environment["TEACHER_KEY"] = "sk-test"
    wire.reply("Write", "Tweet {number}")
    assert project.run().calls == 2
    assert sorted(set(texts(project))) == ["Tweet 1", "Tweet 2"]

    project.replace("Snakefile", "cache=None", 'cache="write"')
    assert project.run().worked == [], "it decides no result"
    assert project.run("--forcerun", "tweets").calls == 2
    assert sorted(set(texts(project))) == ["Tweet 3", "Tweet 4"]
    assert stored(project) == 2, "what is new stands in the place of what was stored"

    plan = json.loads(project.dreamsmk("plan", "--json", "--forcerun", "tweets").stdout)
    assert plan["totals"]["to_make"] == 2, "a plan knows that nothing stored will do"

    project.replace("Snakefile", 'cache="write"', 'cache="off"')
    assert project.run("--forcerun", "tweets").calls == 2
    assert sorted(set(texts(project))) == ["Tweet 5", "Tweet 6"]

    project.replace("Snakefile", 'cache="off"', "cache=None")
    del project.environment["TEACHER_KEY"]
    project.configure({**config, "offline": True})
    assert project.run("--forcerun", "tweets").calls == 0
    assert sorted(set(texts(project))) == ["Tweet 3", "Tweet 4"], "the last that were kept"

    project.replace("Snakefile", "Write a tweet.", "Write a long tweet.")
    assert "tweets will fail: it is offline, and 2 of its calls are not stored" in project.dreamsmk("plan").stderr
    run = project.run(fails=True)
    assert "offline: " in run.output
    assert "the nearest stored call" in run.output
    assert "Write a tweet" in run.output
    assert wire.count == 6
