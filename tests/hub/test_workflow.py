"""A workflow asks the Hub once, and anew when it is told to; its cards name the commit and the licence."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from tests.hub.server import HubServer
from tests.workflow.project import Project

RULES = """
use rule load_hub from dream as papers with:
    output: "resources/papers.parquet"
    params: name="org/papers"

use rule take from dream as few with:
    input: "resources/papers.parquet"
    output: "results/few.parquet"
    params: n=1

use rule card from dream as card with:
    input: target="results/few.parquet"
    output: json="results/few.json", markdown="results/few.md"
"""


def test_a_data_set_is_asked_for_once_and_anew_when_it_is_forced(hub: HubServer, tmp_path: Path) -> None:
    card = "---\nlicense: cc-by-4.0\n---\n"
    first = hub.add("dataset", "org/papers", {"README.md": card, "train.csv": "t\nold\nx\n"})
    project = Project.with_rules(tmp_path / "project", RULES, {}, target="results/few.md")
    project.environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    project.run()
    source = json.loads((project.folder / "results/few.json").read_text())["sources"][0]
    assert (source["name"], source["revision"], source["license"]) == ("org/papers", first, "cc-by-4.0")

    hub.add("dataset", "org/papers", {"README.md": card, "train.csv": "t\nnew\nx\n"})
    hub.requests.clear()
    assert project.run().did_nothing
    (project.folder / "resources/papers.parquet").unlink()
    assert "papers" in project.run("resources/papers.parquet").restored
    assert hub.requests == []

    assert "papers" in project.run("--forcerun", "papers").worked
    assert pl.read_parquet(project.folder / "results/few.parquet")["t"].to_list() == ["new"]


def test_an_offline_workflow_asks_nobody(hub: HubServer, tmp_path: Path) -> None:
    hub.add("dataset", "org/papers", {"train.csv": "t\nx\n"})
    project = Project.with_rules(tmp_path / "project", RULES, {"offline": True}, target="resources/papers.parquet")
    project.environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    assert "offline, and the cache has no dataset 'org/papers'" in project.run(fails=True).output
    assert hub.requests == []
