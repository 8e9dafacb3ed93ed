"""The guide to scores builds as it stands, and names metrics that there are."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from dreamsmk.tasks.evaluation.catalogue import METRICS
from dreamsmk.tasks.training.frame.history import FILE_NAME, history_table
from tests.tiny import make_tiny_adapter, make_tiny_model
from tests.workflow.project import ROOT, Project

GUIDE = (ROOT / "docs/guides/evaluation.md").read_text(encoding="utf-8")


def test_every_metric_is_in_the_guide() -> None:
    table, _, _ = GUIDE.partition("## Compare models")
    for metric in METRICS:
        kind, _, average = metric.rpartition("_")
        is_average = kind in ("precision", "recall", "f1")
        for name in (f"{kind}_", average) if is_average else (metric,):
            assert f"`{name}`" in table


def test_the_workflows_of_the_guide_build(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name, text in re.findall(r"```(?:python|csv|text)\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL):
        project.write(name, text)
    project.run()
    scores = pl.read_parquet(tmp_path / "results/scores.parquet")
    assert scores.columns == ["name", "topic", "metric", "value", "low", "high", "rows"]
    matches = scores.filter(pl.col("topic").is_null(), metric="exact_match")
    assert matches.select("name", "value").rows() == [("base", 0.25), ("tuned", 0.75)]
    labels = pl.read_parquet(tmp_path / "results/labels.parquet")
    assert labels.filter(metric="accuracy").select("name", "value").rows() == [("base", 0.5), ("tuned", 1.0)]

    model = make_tiny_model(tmp_path / "resources/student")
    adapter = make_tiny_adapter(tmp_path / "results/adapter", model)
    history_table([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]).write_parquet(adapter / FILE_NAME)
    project.write("Snakefile", (tmp_path / "Snakefile.perplexity").read_text())
    project.run()
    found = pl.read_parquet(tmp_path / "results/perplexity.parquet")
    assert found["name"].to_list() == ["base", "tuned"]
    assert found["value"].n_unique() == 2
    assert (tmp_path / "results/loss.svg").read_text().startswith("<?xml")
