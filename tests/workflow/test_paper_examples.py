"""Examples 2 to 5 of the paper run as workflows, offline, and nothing runs twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.cards import check_card
from tests.tiny import make_tiny_model
from tests.workflow.project import ROOT, Project

EXAMPLES = ROOT / "examples"
OFFLINE = ("--configfile", "echo.yaml")
TINY = ("--configfile", "tiny.yaml")


def copied(name: str, folder: Path) -> Project:
    """Copies an example."""
    shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns(".*", "results", "resources", "logs"))
    return Project(folder / name, {"OMP_NUM_THREADS": "1"})


def built(name: str, folder: Path) -> Project:
    """Copies an example and builds it with the provider that needs no model."""
    project = copied(name, folder)
    project.run(*OFFLINE)
    return project


def trained(name: str, folder: Path, *models: str, **settings: Any) -> Project:
    """Copies an example and builds it on a model with random weights, which is there in a second."""
    project = copied(name, folder)
    make_tiny_model(project.folder / "tiny", context=2048)
    tiny = {"model": "tiny", "dtype": "float32"}
    (project.folder / "tiny.yaml").write_text(json.dumps({"models": dict.fromkeys(models, tiny), **settings}))
    project.run(*TINY)
    return project


def plain_adapter(project: Project, folder: str) -> Any:
    """Loads an adapter on its base, as peft alone does."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(project.folder / "tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft 0.21 asks transformers 5.23 by an older name
        return PeftModel.from_pretrained(base, project.folder / folder)


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


def test_a_model_learns_to_follow_instructions(tmp_path: Path) -> None:
    project = trained("instruction_tuning", tmp_path, "base", "tuned")
    rows = pl.read_parquet(project.folder / "results/instructions.parquet")
    assert "Input: river\n\nWrite the word in capitals." in rows["instruction"].to_list()
    plain_adapter(project, "results/adapter")
    template = (project.folder / "results/adapter/chat_template.jinja").read_text()
    assert "### Instruction:" in template
    sample = pl.read_parquet(project.folder / "results/sample.parquet")
    assert {"before", "after"} <= set(sample.columns)
    assert (project.folder / "results/loss.svg").read_text().startswith("<?xml")
    training = card_of(project)["training"][0]
    assert (training["train_rows"], training["validation_rows"]) == (12, 4)
    assert project.run(*TINY).did_nothing
    project.replace("config.yaml", "learning_rate: 5.0e-4", "learning_rate: 6.0e-4")
    assert project.run(*TINY).worked == ["adapter", "card", "loss", "sample"]


def test_a_model_is_aligned_with_preferences(tmp_path: Path) -> None:
    project = trained("aligning", tmp_path, "chat", "aligned")
    plain_adapter(project, "results/adapter")
    history = pl.read_parquet(project.folder / "results/adapter/history.parquet")
    assert {"rewards/margins", "eval_rewards/margins"} <= set(history.columns)
    assert pl.read_parquet(project.folder / "results/sample.parquet").height == 2
    assert card_of(project)["training"][0]["train_rows"] == 9
    assert project.run(*TINY).did_nothing


def test_a_model_learns_from_its_own_judgement_in_rounds(tmp_path: Path) -> None:
    # so that random weights come to the end of a JSON object
    judgements = {"temperature": 1.0, "max_tokens": 300}
    project = trained("self_rewarding", tmp_path, "writer", rounds=2, judgements=judgements)
    prompts = pl.read_csv(EXAMPLES / "self_rewarding/prompts.csv")["question"].to_list()
    judged = [pl.read_parquet(project.folder / f"results/round{r}/judgements.parquet") for r in (1, 2)]
    assert [question for table in judged for question in table["question"]] == prompts
    assert {"a", "b"} >= {judgement for table in judged for judgement in table["judgement"]}
    for number, table in enumerate(judged, start=1):
        folder = project.folder / f"results/round{number}"
        parts = [pl.read_parquet(folder / f"{part}.parquet") for part in ("train", "validation")]
        expected = {
            row["question"]: (row["a"], row["b"]) if row["judgement"] == "a" else (row["b"], row["a"])
            for row in table.iter_rows(named=True)
        }
        found = {row["question"]: (row["chosen"], row["rejected"]) for part in parts for row in part.to_dicts()}
        assert found.items() <= expected.items()
    # the second round went on with the adapter of the first, and both load on the same base
    first, second = (plain_adapter(project, f"results/round{number}/adapter") for number in (1, 2))
    assert any((p != q).any() for p, q in zip(first.parameters(), second.parameters(), strict=True))
    card = card_of(project)
    assert len([step for step in card["steps"] if step["name"] == "adapter"]) == 2
    assert project.run(*TINY).did_nothing


@pytest.mark.parametrize("name", sorted(path.parent.name for path in EXAMPLES.glob("*/Snakefile")))
def test_the_examples_are_clean_under_snakemakes_own_linters(name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    snakefmt = Path(sys.executable).with_name("snakefmt")
    for command in ([sys.executable, "-m", "snakemake", "--lint"], [snakefmt, "--check", "."]):
        done = subprocess.run(
            command, cwd=EXAMPLES / name, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
