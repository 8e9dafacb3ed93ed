"""What reruns when, through real Snakemake, without any flag."""

from __future__ import annotations

import os
from pathlib import Path

import polars
import pytest

from tests.wire.server import WireServer
from tests.workflow.project import Project

TWO_STEPS = """
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
"""
PAPERS = "title,abstract\na,About attention.\nb,About scaling.\nc,About distillation.\n"


@pytest.fixture
def project(tmp_path: Path, wire: WireServer) -> Project:
    config = {"models": {"teacher": {"provider": "openai", "model": "gpt", "base_url": wire.openai_url}}}
    project = Project.with_rules(
        tmp_path / "project", TWO_STEPS, config, target="results/short.parquet", **{"papers.csv": PAPERS}
    )
    run = project.run()
    assert run.worked == ["short", "tweets"]
    assert wire.count == 6
    return project


def rows(project: Project, name: str = "results/tweets.parquet") -> polars.DataFrame:
    return polars.read_parquet(project.folder / name)


def test_a_second_run_runs_nothing(project: Project, wire: WireServer) -> None:
    assert project.run().did_nothing
    assert wire.count == 6


def test_a_touched_input_runs_nothing(project: Project, wire: WireServer) -> None:
    os.utime(project.folder / "papers.csv")
    run = project.run()
    assert run.worked == []
    assert wire.count == 6


def test_an_edited_instruction_reruns_what_depends_on_it_and_no_more(project: Project, wire: WireServer) -> None:
    project.replace("Snakefile", "Make it shorter.", "Make it much shorter.")
    run = project.run()
    assert run.worked == ["short"]
    assert wire.count == 9
    assert project.run().did_nothing


def test_a_reverted_instruction_restores_without_a_call(project: Project, wire: WireServer) -> None:
    before = rows(project)
    project.replace("Snakefile", "Write a tweet.", "Write a long tweet.")
    project.run()
    asked = wire.count
    assert not rows(project).equals(before)
    project.replace("Snakefile", "Write a long tweet.", "Write a tweet.")
    run = project.run()
    assert run.worked == []
    assert run.restored == ["short", "tweets"]
    assert rows(project).equals(before)
    assert wire.count == asked
    assert project.run().did_nothing


@pytest.mark.parametrize("age_seconds", [0, -86400], ids=["mtime kept", "mtime older"])
def test_an_edited_row_is_seen_whatever_its_time(project: Project, wire: WireServer, age_seconds: int) -> None:
    path = project.folder / "papers.csv"
    before = path.stat().st_mtime
    path.write_text(PAPERS.replace("scaling", "scalinG"))
    os.utime(path, (before + age_seconds, before + age_seconds))
    run = project.run()
    assert run.worked == ["short", "tweets"]
    assert wire.count == 8, "one row of each table is new"


def test_equal_rows_stop_the_rebuild(project: Project, wire: WireServer) -> None:
    (project.folder / "papers.csv").write_text(PAPERS.replace("a,About attention", "z,About attention"))
    run = project.run()
    assert run.worked == ["tweets"], "the tweets come out the same, so nothing below them is made anew"
    assert wire.count == 6


def test_a_row_appended_and_rows_reordered_pay_for_the_new_row_alone(project: Project, wire: WireServer) -> None:
    lines = PAPERS.splitlines()
    (project.folder / "papers.csv").write_text("\n".join([lines[0], *lines[:0:-1], "d,About cards."]) + "\n")
    project.run()
    assert rows(project)["inputs"].to_list() == [
        "About distillation.",
        "About scaling.",
        "About attention.",
        "About cards.",
    ]
    assert wire.count == 8


@pytest.mark.parametrize("key, value", [("temperature", 0.5), ("max_tokens", 7), ("model", "gpt-2"), ("stop", ["x"])])
def test_what_decides_replies_asks_anew(project: Project, wire: WireServer, key: str, value: object) -> None:
    config = project.config
    config["models"]["teacher"][key] = value
    project.configure(config)
    run = project.run()
    assert run.worked == ["short", "tweets"]
    assert wire.count == 12


def test_what_only_decides_speed_runs_nothing(project: Project, wire: WireServer) -> None:
    config = project.config
    config["models"]["teacher"] |= {"max_concurrency": 2, "timeout_seconds": 5.0, "max_retries": 1, "batch_size": 3}
    project.configure(config)
    assert project.run("--set-threads", "tweets=2").did_nothing
    assert wire.count == 6


def test_a_renamed_alias_restores_only(project: Project, wire: WireServer) -> None:
    config = project.config
    config["models"] = {"writer": config["models"]["teacher"]}
    project.configure(config)
    project.replace("Snakefile", 'model="teacher"', 'model="writer"')
    assert project.run().worked == []
    assert wire.count == 6


def test_a_renamed_rule_and_a_moved_target_restore_only(project: Project, wire: WireServer) -> None:
    project.replace("Snakefile", "as tweets with", "as posts with")
    project.replace("Snakefile", "results/tweets.parquet", "results/posts.parquet")
    run = project.run()
    assert run.worked == []
    assert rows(project, "results/posts.parquet").height == 3
    assert wire.count == 6


def test_a_moved_project_runs_nothing_or_restores(project: Project, wire: WireServer) -> None:
    moved = Project(project.folder.rename(project.folder.with_name("elsewhere")))
    assert moved.run().worked == []
    assert wire.count == 6


def test_a_damaged_target_is_made_good_without_a_call(project: Project, wire: WireServer) -> None:
    good = rows(project)
    good.head(1).write_parquet(project.folder / "results/tweets.parquet")
    project.run("--forcerun", "tweets")
    assert rows(project).equals(good)
    assert wire.count == 6


def test_a_deleted_target_is_put_back(project: Project, wire: WireServer) -> None:
    (project.folder / "results/short.parquet").unlink()
    run = project.run()
    assert run.worked == []
    assert run.restored == ["short"]
    assert wire.count == 6


def test_a_forced_job_does_its_work_again(project: Project, wire: WireServer) -> None:
    run = project.run("--forcerun", "tweets")
    assert "tweets" in run.worked
    assert wire.count == 6, "its calls are still in the cache"


def test_without_the_accelerator_the_same_is_built(project: Project, wire: WireServer) -> None:
    project.environment["DREAMSMK_ACCELERATE"] = "0"
    (project.folder / "papers.csv").write_text(PAPERS.replace("a,About attention", "z,About attention"))
    run = project.run()
    assert run.worked == ["tweets"]
    assert "short" in run.restored
    assert wire.count == 6


def test_rows_of_a_sample_stay_when_more_are_asked_for(tmp_path: Path, wire: WireServer) -> None:
    rules = """
use rule data_from_prompt from dream as abstracts with:
    output: "results/abstracts.parquet"
    params:
        model="teacher",
        n=4,
        instruction="Write an abstract.",
"""
    config = {"models": {"teacher": {"provider": "openai", "model": "gpt", "base_url": wire.openai_url}}}
    project = Project.with_rules(tmp_path / "project", rules, config, target="results/abstracts.parquet")
    project.run()
    first = rows(project, "results/abstracts.parquet")["generations"].to_list()
    assert wire.count == 4
    project.replace("Snakefile", "n=4", "n=7")
    project.run()
    assert wire.count == 7
    assert rows(project, "results/abstracts.parquet")["generations"].to_list()[:4] == first
