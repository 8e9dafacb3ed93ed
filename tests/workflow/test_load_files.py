"""What is in loaded files decides whether they are loaded again: not their age, place or, mostly, name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import polars as pl

from tests.workflow.project import Project

RULES = """
from glob import glob

use rule load_files from dream as rows with:
    input: sorted(glob("raw/*.*sv"))
    output: "results/rows.parquet"

use rule load_files from dream as named with:
    input: "raw"
    output: "results/named.parquet"
    params: glob="**/*.csv", filename_column="file"

use rule concat from dream as both with:
    input: "results/rows.parquet", "results/named.parquet"
    output: "results/both.parquet"
    params: missing="null"
"""


def test_only_content_and_wanted_names_load_files_again(tmp_path: Path) -> None:
    files = {"raw/a.csv": "a,b\n1,2\n", "raw/deep/c.csv": "a,b\n5,6\n"}
    project = Project.with_rules(tmp_path / "project", RULES, {}, target="results/both.parquet", **files)
    project.run()
    assert pl.read_parquet(project.folder / "results/both.parquet").rows() == [
        (1, 2, None),
        (1, 2, "a.csv"),
        (5, 6, "deep/c.csv"),
    ]
    os.utime(project.folder / "raw/a.csv")
    os.utime(project.folder / "raw/deep/c.csv", (1, 1))
    assert not project.run().worked

    (project.folder / "raw/a.csv").rename(project.folder / "raw/b.csv")
    assert project.run().worked == ["both", "named"], "a new name decides where a column is to have it"

    (project.folder / "raw/b.csv").rename(project.folder / "raw/b.tsv")
    assert "rows" in project.run().worked, "the same bytes are other rows in another format"
    assert pl.read_parquet(project.folder / "results/rows.parquet").columns == ["a,b"]

    shutil.move(project.folder / "raw/b.tsv", project.folder / "raw/a.csv")
    back = project.run()
    assert (back.worked, set(back.restored)) == ([], {"both", "named", "rows"})
