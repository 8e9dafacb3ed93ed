"""The guide to published methods builds as it stands, and names rules that there are."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from dreamsmk.smk.meta import rule_names
from tests.workflow.project import ROOT, Project

GUIDE = (ROOT / "docs/guides/recipes.md").read_text(encoding="utf-8")


def test_every_rule_of_the_table_is_there() -> None:
    table, _, _ = GUIDE.partition("## Chain them")
    named = {name for row in table.splitlines() if row.startswith("|") for name in re.findall(r"`(\w+)`", row)}
    assert len(named) > 15
    assert named <= {*rule_names()}


def test_the_workflow_of_the_guide_builds(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name, text in re.findall(r"```(?:python|csv)\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL):
        project.write(name, text)
    project.run()
    table = pl.read_parquet(tmp_path / "results/answers.parquet")
    assert table.columns == ["operation", "round", "instruction", "score", "sample", "answer"]
    assert table.height > 0
    assert table["score"].is_between(1, 5).all()
