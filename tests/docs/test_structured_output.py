"""The guide to structured output builds as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from tests.workflow.project import ROOT, Project

GUIDE = (ROOT / "docs/guides/structured-output.md").read_text()


def test_the_workflow_of_the_guide_builds(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name, text in re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL):
        project.write(name, text)
    project.write("papers.csv", "abstract\nWe attend.\nWe scale.\n")
    project.run()
    table = pl.read_parquet(tmp_path / "results/facts.parquet")
    fields = {"title": pl.String(), "year": pl.Int64(), "topics": pl.List(pl.String())}
    assert table.schema == {"inputs": pl.String(), **fields}
    assert table["title"].to_list() == ["Attention"] * 2
