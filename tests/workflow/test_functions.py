"""A user's function is part of the fingerprint: its code, and not how the code is written or where it lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import polars
import pytest

from tests.workflow.project import Project, Run

TARGET = "results/named.parquet"
RULES = """
use rule map from dream as scaled with:
    input: "numbers.csv"
    output: "results/scaled.parquet"
    threads: 2
    params:
        function="scripts/steps.py:scale",

use rule map from dream as named with:
    input: "results/scaled.parquet"
    output: "results/named.parquet"
    params:
        function="scripts/names.py:name",
        by="batch",
"""
FILES = {
    "numbers.csv": "n\n" + "\n".join(str(n) for n in range(1500)) + "\n",
    "scripts/steps.py": '''\
"""Steps."""
from lib.factors import factor


def scale(row):
    """Scales a row."""
    return {"n": row["n"] * factor(row)}  # by a factor
''',
    "lib/factors.py": "FACTOR = 2\nOTHER = 3\n\ndef factor(row):\n    return FACTOR\n",
    "scripts/names.py": "import polars\n\ndef name(frame):\n    return frame.with_columns(name=polars.lit('x'))\n",
}
FACTORS = "lib/factors.py"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.with_rules(tmp_path / "project", RULES, {}, target=TARGET, **FILES)
    assert project.run().worked == ["named", "scaled"]
    assert numbers(project) == [2 * n for n in range(1500)]
    return project


def numbers(project: Project) -> list[int]:
    return polars.read_parquet(project.folder / "results/named.parquet")["n"].to_list()


def edit(project: Project, name: str, old: str, new: str) -> Run:
    """Edits a file, keeps its time, and runs the workflow."""
    path = project.folder / name
    before = path.stat()
    project.replace(name, old, new)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return project.run()


def test_what_the_code_does_decides_and_not_how_it_is_written(project: Project) -> None:
    run = edit(project, FACTORS, "FACTOR = 2", "FACTOR = 5")
    assert run.worked == ["named", "scaled"], "a helper in another module, edited with its time and size kept"
    assert numbers(project) == [5 * n for n in range(1500)]

    run = edit(project, FACTORS, "FACTOR = 5", "FACTOR = 2")
    assert (run.worked, run.restored) == ([], ["named", "scaled"]), "an earlier state is put back"
    assert numbers(project) == [2 * n for n in range(1500)]

    edit(project, FACTORS, "OTHER = 3", "OTHER = 4  # nobody uses it")
    project.replace("scripts/steps.py", '"""Scales a row."""', '"""Makes a row larger."""\n')
    assert project.run().did_nothing, "comments, docstrings, and what is not used"

    shutil.move(project.folder / "scripts/steps.py", project.folder / "scaling.py")
    project.replace("Snakefile", "scripts/steps.py:scale", "scaling.py:scale")
    assert project.run().worked == [], "where the script lies"

    run = edit(project, "scaling.py", "* factor(row)}", "* factor(row) + 0}")
    assert run.worked == ["scaled"], "other code that gives the same rows stops there"


def test_a_function_that_is_not_there_is_said_before_any_job_starts(tmp_path: Path) -> None:
    rules = RULES.replace("steps.py:scale", "steps.py:scales")
    project = Project.with_rules(tmp_path / "project", rules, {}, target=TARGET, **FILES)
    run = project.run(fails=True)
    assert run.ran == []
    assert "has no function 'scales'" in run.output
    assert "did you mean 'scale'?" in run.output
    assert "rule scaled, params.function" in run.output

    project.replace("Snakefile", "steps.py:scales", "steps.py:scale")
    project.replace("scripts/steps.py", "factor(row)}", "getattr(row, row['n'])}")
    run = project.run(fails=True)
    assert run.output.count("getattr with a computed name") == 1, "what cannot be followed is said once"
    assert "TypeError" in run.output
    assert "row 0 (from 0), in scripts/steps.py, line 7" in run.output
