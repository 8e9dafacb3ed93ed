"""Scores and plots are targets like any other."""

from __future__ import annotations

from pathlib import Path

from tests.workflow.project import Project

RULES = """
use rule evaluate from dream as scores with:
    input: "rows.csv"
    output: scores="results/scores.parquet", plot="results/scores.svg"
    params: metrics=["accuracy"], predictions="said", references="true"
"""


def test_a_plot_that_is_to_end_otherwise_is_drawn_anew(tmp_path: Path) -> None:
    project = Project.with_rules(
        tmp_path / "p", RULES, {}, target="results/scores.svg", **{"rows.csv": "said,true\na,a\na,b\n"}
    )
    project.run()
    assert (project.folder / "results/scores.svg").read_bytes().startswith(b"<?xml")
    snakefile = project.folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("scores.svg", "scores.png"))
    project.run()
    assert (project.folder / "results/scores.png").read_bytes().startswith(b"\x89PNG")
    assert project.run().did_nothing
    snakefile.write_text(snakefile.read_text().replace("scores.png", "scores.pdf"))
    said = project.run(fails=True).output
    assert "end its name in .svg or .png" in said
