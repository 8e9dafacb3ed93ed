"""The guide to retrieval builds as it stands, and names every rule of the kind."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from dreamsmk.smk.meta import load_meta, rule_names
from tests.workflow.project import ROOT, Project

GUIDE = (ROOT / "docs/guides/retrieval.md").read_text()


def test_the_workflow_of_the_guide_builds(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name, text in re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL):
        project.write(name, text)
    project.write("papers.csv", "title,abstract\nAttention,We attend.\nScaling,We scale.\n")
    project.write("asked.csv", "question\nWe scale.\n")
    project.run()
    found = pl.read_parquet(tmp_path / "results/found.parquet")
    assert found["title"].to_list() == [["Scaling", "Attention"]]
    answers = pl.read_parquet(tmp_path / "results/answers.parquet")
    assert answers["prompts"].to_list() == ["Document: We scale.\nDocument: We attend.\n\nQuestion: We scale."]


def test_the_guide_names_every_rule_of_retrieval() -> None:
    for name in rule_names():
        if load_meta(name).task.startswith("dreamsmk.tasks.retrieval."):
            assert f"| `{name}` |" in GUIDE, name
