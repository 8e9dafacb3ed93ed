"""A rule that is one function of the user's has the guarantees of every other rule."""

from __future__ import annotations

import json
from pathlib import Path

import polars

from tests.workflow.project import Project

STEPS = '''\
"""Steps."""
import polars as pl

from lib.words import first


def graded(step):
    """Grades each paper."""
    papers = step.table("papers")  # a polars table
    replies = step.ask([f"Grade: {first(text)}" for text in papers["abstract"]], model="judge")
    (step.output("report") / "sub").mkdir(parents=True)
    (step.output("report") / "sub/count.txt").write_text(str(papers.height))
    step.output("notes").write_text(step.path("guide").read_text() * step.args["times"])
    return {"grades": papers.with_columns(grade=pl.Series(replies))}


def counted(step):
    return pl.DataFrame({"files": [sum(path.is_file() for path in step.path("report").rglob("*.txt"))]})
'''
WORDS = "LENGTH = 3\n\n\ndef first(text):\n    return text[:LENGTH]\n"
RULES = """
use rule step from dream as graded with:
    input: papers="papers.csv", guide="guide.md"
    output:
        grades="results/{kind}.parquet",
        report=directory("results/{kind}.report"),
        notes="results/{kind}.txt",
    params: function="scripts/steps.py:graded", models={"judge": "strict"}, args={"times": 2}

use rule step from dream as counted with:
    input: report="results/all.report", grades="results/all.parquet"
    output: "results/counted.parquet"
    params: function="scripts/steps.py:counted"
"""
FILES = {
    "papers.csv": "abstract\nAbout attention\nBeyond scaling\n",
    "guide.md": "guide ",
    "scripts/steps.py": STEPS,
    "lib/words.py": WORDS,
}
ECHO = {"provider": "echo", "model": "echo"}
TARGET = "results/counted.parquet"


def test_a_function_of_the_users_is_a_rule_like_any_other(tmp_path: Path) -> None:
    config = {"models": {"strict": ECHO}}
    project = Project.with_rules(tmp_path / "p", RULES, config, target=TARGET, **FILES)
    planned = project.dreamsmk("plan")
    assert "graded asks models: how often, nobody knows before it runs" in planned.stdout + planned.stderr
    run = project.run()
    assert (run.worked, run.calls) == (["counted", "graded"], 2)
    assert polars.read_parquet(project.folder / TARGET).rows() == [(1,)]
    assert (project.folder / "results/all.txt").read_text() == "guide guide "
    assert project.run().did_nothing

    project.replace("scripts/steps.py", "# a polars table", "# a table of papers")
    project.replace("scripts/steps.py", "Grades each paper.", "Grades every paper.")
    assert project.run().did_nothing, "a comment, a docstring"

    project.replace("lib/words.py", "LENGTH = 3", "LENGTH = 4")
    run = project.run()
    assert (run.worked, run.calls) == (["counted", "graded"], 2), "a helper in another file"

    project.replace("Snakefile", '"times": 2', '"times": 3')
    run = project.run()
    assert (run.worked, run.calls) == (["graded"], 0), "a value: the same calls, and the same tables"
    assert (project.folder / "results/all.txt").read_text() == "guide " * 3

    project.configure({"models": {"lenient": ECHO}})
    project.replace("Snakefile", "strict", "lenient")
    assert project.run().worked == [], "what a model is called"
    project.configure({"models": {"lenient": ECHO | {"model": "other"}}})
    run = project.run()
    assert (run.worked, run.calls) == (["counted", "graded"], 2), "which model it is"

    project.write("guide.md", "other ")
    assert project.run().worked == ["graded"], "an input that is no table"
    (project.folder / "results/all.report/sub/count.txt").write_text("damaged")
    run = project.run()
    assert (run.worked, run.restored) == ([], ["counted", "graded"])
    record = json.loads(project.dreamsmk("explain", "results/all.txt", "--json").stdout)
    outputs = record[0]["record"]["outputs"]
    assert {name: output["kind"] for name, output in outputs.items()} == {
        "grades": "table",
        "report": "folder",
        "notes": "file",
    }


def test_what_is_wrong_is_said_with_the_rule_and_the_line(tmp_path: Path) -> None:
    files = FILES | {"lib/words.py": WORDS.replace("text[:LENGTH]", "text + 1")}
    project = Project.with_rules(tmp_path / "p", RULES, {"models": {"strikt": ECHO}}, target=TARGET, **files)
    run = project.run(fails=True)
    assert run.ran == []
    assert "the config has no model 'strict'" in run.output
    assert "did you mean 'strikt'" in run.output
    project.configure({"models": {"strict": ECHO}})
    run = project.run(fails=True)
    assert "scripts/steps.py:graded failed: TypeError" in run.output
    assert "lib/words.py, line 5" in run.output
