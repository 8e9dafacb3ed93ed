"""The guide to merged and quantized models builds as it stands, and its table has every method."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from dreamsmk.smk.meta import load_meta
from tests.tiny import make_tiny_model
from tests.workflow.project import ROOT, Project

GUIDE = (ROOT / "docs/guides/quantize-and-merge.md").read_text(encoding="utf-8")


def test_every_method_is_in_the_table() -> None:
    rows = [line.split("|")[1] for line in GUIDE.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`([a-z0-9_-]+)`", row)]
    assert sorted(named) == sorted(load_meta("quantize").params["properties"]["method"]["enum"])


def test_the_workflow_of_the_guide_builds(tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    project = Project(tmp_path)
    make_tiny_model(tmp_path / "resources/student")
    project.write("pairs.csv", "question,answer\nthe of,and\nto in,a\n")
    (text,) = re.findall(r"```python\n# Snakefile\n(.*?)```", GUIDE, re.DOTALL)
    project.write("Snakefile", text)
    project.run()
    assert pl.read_parquet(tmp_path / "results/answers.parquet").height == 2
    assert project.run().did_nothing
