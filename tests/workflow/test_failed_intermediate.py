"""What is made of a file that is gone is made anew where that file would now be another one."""

from __future__ import annotations

from pathlib import Path

import polars

from tests.workflow.project import Project

RULES = """
use rule map from dream as steps with:
    input: "numbers.csv"
    output: OUTPUT
    params: function="steps.py:step"

use rule rename from dream as named with:
    input: "results/steps.parquet"
    output: "results/named.parquet"
    params: columns={"n": "number"}
"""
FILES = {"numbers.csv": "n\n1\n2\n", "steps.py": "def step(row):\n    return {'n': row['n'] * 2}\n"}
TARGET = "results/named.parquet"


def numbers(project: Project) -> list[int]:
    return polars.read_parquet(project.folder / TARGET)["number"].to_list()


def test_a_job_that_failed_is_tried_again_though_what_is_made_of_it_is_there(tmp_path: Path) -> None:
    rules = RULES.replace("OUTPUT", '"results/steps.parquet"')
    project = Project.with_rules(tmp_path / "p", rules, {}, target=TARGET, **FILES)
    project.run()
    project.replace("steps.py", "* 2", "/ 0")
    project.run(fails=True)
    assert not (project.folder / "results/steps.parquet").exists()
    assert "ZeroDivisionError" in project.run(fails=True).output, "again, and not `nothing to be done`"
    project.replace("steps.py", "/ 0", "* 3")
    assert project.run().worked == ["named", "steps"]
    assert numbers(project) == [3, 6]
    assert project.run().did_nothing


def test_a_temporary_file_of_an_older_recipe_is_made_anew(tmp_path: Path) -> None:
    rules = RULES.replace("OUTPUT", 'temp("results/steps.parquet")')
    project = Project.with_rules(tmp_path / "p", rules, {}, target=TARGET, **FILES)
    project.run()
    assert project.run().did_nothing
    project.replace("steps.py", "* 2", "* 5")
    assert project.run().worked == ["named", "steps"]
    assert numbers(project) == [5, 10]
    assert project.run().did_nothing
