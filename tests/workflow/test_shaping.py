"""Tables are shaped in a workflow, and what cannot be is said before any job runs."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tests.workflow.project import Project

RULES = """
use rule filter from dream as long with:
    input: "notes.csv"
    output: "results/long.parquet"
    params: where="length(note) > 3"

use rule decontaminate from dream as clean with:
    input:
        table="results/long.parquet",
        evaluation=["first.csv", "second.csv"],
    output: "results/clean.parquet"
    params:
        columns=["note"],
        evaluation_columns=["question"],
        n=2,
"""
NOTES = "note\nshort one\nno\nhow many moons\nthe second question\n"


def test_every_file_of_an_input_is_checked_for_the_columns_before_any_job_runs(tmp_path: Path) -> None:
    project = Project.with_rules(tmp_path, RULES, {}, target="results/clean.parquet")
    project.write("notes.csv", NOTES)
    project.write("first.csv", "question\nHow many moons?\n")
    project.write("second.csv", "text\nA second question?\n")
    failed = project.run(fails=True)
    assert "the input 'evaluation' has no column 'question'" in failed.output
    assert "rule clean, second.csv, params.evaluation_columns/0" in failed.output
    assert failed.worked == []
    project.write("second.csv", "question\nA second question?\n")
    project.replace("Snakefile", "length(note)", "length(nothe)")
    failed = project.run(fails=True)
    assert "no column 'nothe'" in failed.output
    assert failed.worked == []
    project.replace("Snakefile", "length(nothe)", "length(note)")
    assert project.run().worked == ["clean", "long"]
    assert pl.read_parquet(tmp_path / "results/clean.parquet")["note"].to_list() == ["short one"]
