"""A workflow is built again from a bundle on a machine without a network and without a key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.wire.server import WireServer
from tests.workflow.project import ROOT, Project

RULES = """
use rule process_with_prompt from dream as tweets with:
    input: "papers.csv"
    output: "results/tweets.parquet"
    params:
        model="teacher",
        inputs="abstract",
        instruction="Write a tweet of the paper.",
        columns={"generations": "tweet"},

use rule data_from_prompt from dream as ideas with:
    output: "results/ideas.parquet"
    params:
        model="claude",
        n=3,
        instruction="Have an idea.",
"""
TARGETS = 'results/tweets.parquet", "results/ideas.parquet'
PAPERS = "abstract\nAbout attention.\nAbout scaling.\nAbout distillation and naïve 日本.\n"
# Whoever opens a connection to another machine, or to a port of this one, leaves a note and fails.
NO_NETWORK = """
import os, socket

def refuse(self, address, *rest):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        with open(os.environ["DIALLED"], "a") as note:
            note.write(f"{address}\\n")
        raise OSError("no network here")
    return connect(self, address, *rest)

connect = socket.socket.connect
socket.socket.connect = socket.socket.connect_ex = refuse
"""


@pytest.fixture
def project(tmp_path: Path, wire: WireServer) -> Project:
    teacher = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url, "max_tokens": 50}
    claude = {"provider": "anthropic", "model": "claude", "base_url": wire.url, "max_tokens": 50, "temperature": 1.0}
    config = {"models": {"teacher": teacher, "claude": claude}}
    there = Project.with_rules(tmp_path / "there", RULES, config, target=TARGETS, **{"papers.csv": PAPERS})
    there.environment = {"OPENAI_API_KEY": "sk-test-1", "ANTHROPIC_API_KEY": "sk-test-2"}
    return there


def elsewhere(project: Project, folder: Path) -> Project:
    """Copies what an author publishes: the workflow, its config and its sources, and no state."""
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns("results", "logs", ".snakemake", ".dreamsmk"))
    site = folder.parent / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(NO_NETWORK)
    return Project(folder, {"PYTHONPATH": f"{site}:{ROOT}", "DIALLED": str(folder.parent / "dialled")})


def test_a_bundle_builds_the_same_bytes_without_network_and_key(project: Project, wire: WireServer, tmp_path: Path):
    project.run()
    asked = wire.count
    bundled = project.dreamsmk("bundle", str(tmp_path / "paper.zip"))
    assert bundled.returncode == 0, bundled.stderr
    assert bundled.stdout.startswith(f"{tmp_path / 'paper.zip'}: 6 calls, 2 records")

    reader = elsewhere(project, tmp_path / "here")
    missed = reader.run("--config", "offline=true", fails=True)
    assert "the call cache is empty" in missed.output
    added = reader.dreamsmk("unbundle", str(tmp_path / "paper.zip"))
    assert added.returncode == 0, added.stderr
    assert "6 of 6 calls and 2 of 2 records are new" in added.stdout
    run = reader.run("--config", "offline=true")

    assert run.worked == ["ideas", "tweets"]
    assert wire.count == asked
    assert not (tmp_path / "dialled").exists()
    for name in ("results/tweets.parquet", "results/ideas.parquet"):
        assert (reader.folder / name).read_bytes() == (project.folder / name).read_bytes()
    compared = reader.dreamsmk("unbundle", "--compare", "--json", str(tmp_path / "paper.zip"))
    assert compared.returncode == 0, compared.stdout
    assert {each["verdict"] for each in json.loads(compared.stdout)} == {"same bytes"}

    reader.replace("Snakefile", "Write a tweet of the paper.", "Write a tweet of this paper.")
    missed = reader.run("--config", "offline=true", fails=True)
    assert "this paper" in missed.output
    assert "the paper" in missed.output
    assert reader.dreamsmk("unbundle", "--compare", str(tmp_path / "paper.zip")).returncode == 0
