"""The guide to prompting builds as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from dreamsmk.smk.meta import rule_names
from tests.workflow.project import ROOT, Project

GUIDE = (ROOT / "docs/guides/prompting.md").read_text(encoding="utf-8")


def test_the_workflow_of_the_guide_builds(tmp_path: Path) -> None:
    project = Project(tmp_path)
    ((name, text), *rest) = re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL)
    assert not rest
    more = re.findall(r"```python\n(use rule .*?)```", GUIDE, re.DOTALL)
    project.write(
        name, "\n".join([text.replace('good.parquet", "', 'good.parquet", "results/talks.parquet", "'), *more])
    )
    project.write("questions.csv", "question,hint\nWhat is 2 + 2?,\nWho wrote it?,Think.\nWhy?,\n")
    project.write("countries.csv", "country\nGhana\nPeru\n")
    project.run()
    rated = pl.read_parquet(tmp_path / "results/rated.parquet")
    assert rated.columns == ["question", "prompts", "answer", "rating", "ratings", "explanations"]
    assert rated["prompts"].to_list() == ["What is 2 + 2?", "Who wrote it? Hint: Think.", "Why?"]
    good = pl.read_parquet(tmp_path / "results/good.parquet")
    assert good.columns == ["question", "prompts", "answer"]
    assert [len(talk) for talk in pl.read_parquet(tmp_path / "results/talks.parquet")["messages"]] == [4, 4]


def test_the_guide_names_rules_that_there_are() -> None:
    rows = re.findall(r"^\| .* \| (`.*`) \|$", GUIDE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named <= set(rule_names())
    assert len(named) > 10
