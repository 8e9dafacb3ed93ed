"""The workflow of the guide to fine-tuning at OpenAI builds as it stands, at a server that speaks like the service."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from tests.wire.examples import service_of_examples
from tests.workflow.project import ROOT, Project

GUIDE = (ROOT / "docs/guides/openai-fine-tuning.md").read_text(encoding="utf-8")


def test_the_workflow_of_the_guide_builds(tmp_path: Path) -> None:
    rows = [f"Abstract {number}.,Tweet {number}!" for number in range(10)]
    with service_of_examples() as environment:
        project = Project(tmp_path, environment)
        (text,) = re.findall(r"```python\n# Snakefile\n(.*?)```", GUIDE, re.DOTALL)
        project.write("Snakefile", text)
        project.write("train.csv", "\n".join(["abstract,tweet", *rows]) + "\n")
        project.write("abstracts.csv", "abstract\nNew.\n")
        project.run()
        assert project.run().did_nothing
    assert pl.read_parquet(tmp_path / "results/tweets.parquet").height == 1
    assert pl.read_parquet(tmp_path / "results/history.parquet")["loss"].null_count() == 0
