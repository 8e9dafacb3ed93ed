"""Examples 4 and 5 of the paper run as workflows, offline, and nothing runs twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.cards import check_card
from tests.workflow.project import ROOT, Project

EXAMPLES = ROOT / "examples"
OFFLINE = ("--configfile", "echo.yaml")


def built(name: str, folder: Path) -> Project:
    """Copies an example and builds it with the provider that needs no model."""
    shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns(".*", "results", "resources", "logs"))
    project = Project(folder / name)
    project.run(*OFFLINE)
    return project


def card_of(project: Project) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((project.folder / "results/card.json").read_text())
    check_card(card)
    return card


def test_questions_are_taken_apart(tmp_path: Path) -> None:
    project = built("question_decomposition", tmp_path)
    table = pl.read_parquet(project.folder / "results/decompositions.parquet")
    assert table.columns == ["questions", "decompositions"]
    assert table.height == 4
    for question, reply in table.iter_rows():
        assert f"Input: {question}\n\nInstruction: Given the question which requires multiple steps" in reply
    names = [step["name"] for step in card_of(project)["steps"]]
    assert names == ["hotpot_qa", "questions", "decompositions"]
    assert project.run(*OFFLINE).did_nothing
    project.replace("config.yaml", "questions: {n: 4}", "questions: {n: 6}")
    run = project.run(*OFFLINE)
    assert run.worked == ["card", "decompositions", "questions"]
    assert run.calls == 2


def test_a_model_judges_its_own_answers_in_rounds(tmp_path: Path) -> None:
    project = built("self_rewarding", tmp_path)
    prompts = pl.read_csv(EXAMPLES / "self_rewarding/prompts.csv")["question"].to_list()
    judged = [pl.read_parquet(project.folder / f"results/round{r}/judgements.parquet") for r in (1, 2, 3)]
    assert [question for table in judged for question in table["question"]] == prompts
    assert {"a", "b"} >= {judgement for table in judged for judgement in table["judgement"]}
    for number, table in enumerate(judged, start=1):
        assert (table["a"] != table["b"]).all()
        folder = project.folder / f"results/round{number}"
        parts = [pl.read_parquet(folder / f"{part}.parquet") for part in ("train", "validation")]
        assert [part.height for part in parts] == [3, 1]
        expected = {
            row["question"]: (row["a"], row["b"]) if row["judgement"] == "a" else (row["b"], row["a"])
            for row in table.iter_rows(named=True)
        }
        found = {row["question"]: (row["chosen"], row["rejected"]) for part in parts for row in part.to_dicts()}
        assert found == expected
    steps = card_of(project)["steps"]
    assert len(steps) == 1 + 3 * 6
    assert project.run(*OFFLINE).did_nothing


@pytest.mark.parametrize("name", sorted(path.parent.name for path in EXAMPLES.glob("*/Snakefile")))
def test_the_examples_are_clean_under_snakemakes_own_linters(name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    snakefmt = Path(sys.executable).with_name("snakefmt")
    for command in ([sys.executable, "-m", "snakemake", "--lint"], [snakefmt, "--check", "."]):
        done = subprocess.run(
            command, cwd=EXAMPLES / name, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
