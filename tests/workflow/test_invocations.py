"""Snakemake's flags, executors and ends: each builds what it should, and the next run only what is missing."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import polars
import pytest

from tests.wire.server import WireServer
from tests.workflow.project import Project, kill_jobs, wait_for

PAPERS = "title,abstract\na,About attention\nb,About scaling\nc,About distillation\n"
RULES = """
use rule process_with_prompt from dream as tweets with:
    input: table="papers.csv"
    output: "results/tweets.parquet"
    params: model="teacher", inputs="abstract", instruction="Write a tweet.", columns={"generations": "tweet"}

use rule process_with_prompt from dream as short with:
    input: table="results/tweets.parquet"
    output: "results/short.parquet"
    params: model="teacher", inputs="tweet", instruction="Make it shorter."

use rule data_from_prompt from dream as samples with:
    output: "results/samples.parquet"
    params: model="teacher", n=4, instruction="Write anything."
"""
PARTS = """
localrules: parts

use rule split from dream as parts with:
    input: "results/samples.parquet"
    output: train="results/train.parquet", validation="results/validation.parquet"
    params: train=0.5, validation=0.5
"""


def project_of(folder: Path, wire: WireServer, rules: str = RULES, **fields: object) -> Project:
    teacher = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url, "max_retries": 0, **fields}
    project = Project.with_rules(folder, rules, {"models": {"teacher": teacher}}, target="X", **{"papers.csv": PAPERS})
    project.replace("Snakefile", '"X"', '"results/short.parquet", "results/samples.parquet"')
    return project


def on_disk(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """What a folder holds: modification time, inode and content of each file, but for databases."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and ".snakemake" not in path.parts and ".db" not in path.name
    }


def test_flags_that_choose_jobs_build_those_and_leave_the_rest(tmp_path: Path, wire: WireServer) -> None:
    project = project_of(tmp_path / "p", wire)
    assert project.run("--until", "tweets").worked == ["tweets"]
    assert project.run("--omit-from", "short").worked == ["samples"]
    wire.fail("status", status=400, contains="Make it")
    project.replace("Snakefile", "n=4", "n=5")
    run = project.run("--keep-going", fails=True)
    assert run.worked == ["samples"], "one that fails for good keeps no other from being built"
    assert not (project.folder / "results/short.parquet").exists()
    wire.clear()
    assert project.run().worked == ["short"]
    assert wire.count == 3
    assert project.run().did_nothing


def test_flags_that_name_what_would_run_or_end_it_without_work(tmp_path: Path, wire: WireServer) -> None:
    project = project_of(tmp_path / "p", wire)
    project.run()
    run = project.run("--forcerun", "tweets", "results/short.parquet")
    assert run.worked == ["short", "tweets"]
    assert wire.count == 10, "a forced job does its work, and its calls are in the cache"
    project.write("papers.csv", PAPERS.replace("scaling", "pruning"))
    before = on_disk(project.folder)
    dry = project.run("--dry-run")
    assert dry.ran == ["all", "short", "tweets"]
    assert on_disk(project.folder) == before
    project.run("--touch")
    assert project.run("--rerun-incomplete").did_nothing, "what was touched counts as built"
    assert wire.count == 10


@pytest.mark.parametrize("end", ["the job is killed", "the user presses Ctrl-C"])
def test_a_run_that_was_ended_leaves_no_half_target_and_keeps_its_replies(
    tmp_path: Path, wire: WireServer, end: str
) -> None:
    project = project_of(tmp_path / "p", wire, RULES.replace("n=4", "n=60"), max_concurrency=4)
    wire.latency_seconds = 0.2
    process = project.start("samples", output=tmp_path / "run.log", is_in_foreground=True)
    wait_for(lambda: wire.count >= 20, process=process)
    ended_at = time.monotonic()
    if end == "the job is killed":
        kill_jobs(process)
    else:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all that runs in its foreground
    assert process.wait(30) != 0
    assert time.monotonic() - ended_at < 10
    asked = wire.count
    assert asked < 40
    assert not (project.folder / "results/samples.parquet").exists()
    assert "Traceback" not in (tmp_path / "run.log").read_text()
    wire.latency_seconds = 0.0
    assert project.run("samples").worked == ["samples"]
    # a reply that arrived less than 100 ms before the end may not have been durable yet
    assert wire.count <= 60 + 2 * 4
    assert polars.read_parquet(project.folder / "results/samples.parquet").height == 60
    assert project.run("samples").did_nothing


def test_what_a_job_finished_after_its_snakemake_was_killed_is_not_done_again(tmp_path: Path, wire: WireServer) -> None:
    """Snakemake marks the target as incomplete, and its `--rerun-incomplete` forces the job."""
    project = project_of(tmp_path / "p", wire)
    wire.latency_seconds = 1.0
    process = project.start("samples", output=tmp_path / "run.log")
    wait_for(lambda: wire.count == 4, process=process)
    process.kill()
    process.wait()
    wait_for((project.folder / "results/samples.parquet").exists)
    run = project.run("samples")
    assert run.worked == []
    assert run.restored == ["samples"]
    assert wire.count == 4
    assert project.run("samples").did_nothing


SUBMIT = """#!/bin/sh
# takes the script that a cluster would run on some node, and does not wait for it
echo "$1" >> submitted.txt
sh "$1" > "$1.log" 2>&1 &
echo $!
"""


def test_on_a_cluster_grouped_jobs_run_and_hits_are_never_submitted(tmp_path: Path, wire: WireServer) -> None:
    project = project_of(tmp_path / "p", wire, RULES + PARTS)
    project.replace("Snakefile", '"results/samples.parquet"\n\n', '"results/train.parquet"\n\n')
    project.write("submit.sh", SUBMIT)
    project.replace(
        "Snakefile", 'output: "results/tweets.parquet"', 'output: "results/tweets.parquet"\n    group: "texts"'
    )
    project.replace(
        "Snakefile", 'output: "results/short.parquet"', 'output: "results/short.parquet"\n    group: "texts"'
    )
    flags = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", "sh submit.sh", "--jobs", "4"]
    flags += ["--seconds-between-status-checks", "1"]
    assert project.run(*flags).worked == ["parts"], "the local one: the others have logs of their own"
    submitted = project.folder / "submitted.txt"
    assert len(submitted.read_text().splitlines()) == 2, "the group, and the samples"
    assert wire.count == 10
    assert project.run(*flags).did_nothing
    shutil.rmtree(project.folder / "results")
    submitted.unlink()
    assert project.run(*flags).restored == ["parts", "samples", "short", "tweets"]
    assert not submitted.exists()
    assert project.run(*flags, "--forcerun", "short", "tweets").restored == []
    assert len(submitted.read_text().splitlines()) == 1, "the group"
    log = (project.folder / "logs/short.log").read_text() + (project.folder / "logs/tweets.log").read_text()
    assert log.count("done in") == 2
    assert wire.count == 10, "a forced job does its work, and its calls are in the cache"
    assert project.run(*flags).did_nothing
