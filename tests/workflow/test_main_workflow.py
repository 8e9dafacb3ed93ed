"""The main workflow, with a service for the teacher and a tiny model for the student."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars
import pytest

from dreamsmk.cards import check_card
from tests.wire.server import WireServer
from tests.workflow.project import Project, kill_tree, wait_for

N = 10
HEAVY = ("torch", "transformers", "trl", "datasets")


def main_workflow(folder: Path, wire: WireServer, tiny_model: Path, **fine_tune: Any) -> Project:
    student = {"provider": "transformers", "model": str(tiny_model), "dtype": "float32", "max_tokens": 8}
    return Project.of_main_workflow(
        folder,
        models={
            "teacher": {"provider": "openai", "model": "gpt-4o-mini", "base_url": wire.openai_url},
            "student": student,
            "distilled": {**student, "adapter": "results/adapter"},
        },
        abstracts={"n": N, "instruction": "Write an abstract."},
        tweets={"instruction": "Write a tweet."},
        fine_tune={"max_steps": 4, "batch_size": 2, "max_length": 400, **fine_tune},
        sample={"n": 1, "max_tokens": 8},
    )


@pytest.fixture(scope="module")
def service() -> Any:
    with WireServer() as server:
        server.reply("Write an abstract.", "In this paper, we do the thing number {number}.")
        yield server


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, service: WireServer, tiny_model: Path) -> Project:
    """The whole workflow, built once for the tests of this file, which run in their order."""
    project = main_workflow(tmp_path_factory.mktemp("main"), service, tiny_model)
    project.run()
    return project


def test_switched_to_a_service_it_asks_exactly_once_a_row(built: Project, service: WireServer) -> None:
    assert service.count == 2 * N
    tweets = polars.read_parquet(built.folder / "results/tweets.parquet")
    assert tweets.columns == ["abstracts", "tweets"]
    assert tweets.height == N
    for part, rows in (("train", 9), ("validation", 1)):
        assert polars.read_parquet(built.folder / f"results/splits/{part}.parquet").height == rows
    sample = polars.read_parquet(built.folder / "results/sample.parquet")
    assert sample.columns == ["abstracts", "tweets", "before", "after"]
    assert (built.folder / "results/adapter/adapter_model.safetensors").is_file()


def test_its_cards_are_valid_and_trace_everything(built: Project) -> None:
    for name in ("tweets", "adapter"):
        card = json.loads((built.folder / f"results/cards/{name}.json").read_text())
        check_card(card)
        markdown = (built.folder / f"results/cards/{name}.md").read_text()
        assert "Write an abstract." in markdown
        assert "gpt-4o-mini" in markdown
        assert str(built.folder) not in markdown + json.dumps(card)
    assert [step["name"] for step in card["steps"]] == ["abstracts", "tweets", "splits", "adapter"]


def test_a_second_run_runs_nothing_and_loads_no_heavy_library(built: Project) -> None:
    program = (
        "import sys; from snakemake.cli import main\n"
        "try: main(['--cores', '2'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=built.folder,
        env=built._environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Nothing to be done" in done.stderr + done.stdout
    assert "loaded []" in done.stdout


def test_an_edited_tweet_instruction_leaves_the_abstracts(built: Project, service: WireServer) -> None:
    before = service.count
    config = built.config
    built.configure({**config, "tweets": {"instruction": "Write a short tweet."}})
    run = built.run()
    assert run.worked == ["adapter", "data_card", "model_card", "sample", "splits", "tweets"]
    assert service.count == before + N
    built.configure(config)


def test_the_reverted_instruction_restores_everything(built: Project, service: WireServer) -> None:
    before = service.count
    run = built.run()
    assert run.worked == []
    assert "adapter" in run.restored
    assert service.count == before
    assert built.run().did_nothing


def test_a_touched_table_runs_nothing(built: Project, service: WireServer) -> None:
    before = service.count
    (built.folder / "results/abstracts.parquet").touch()
    assert built.run().worked == []
    assert service.count == before


def test_the_command_line_explains_what_was_built(built: Project) -> None:
    explained = built.dreamsmk("explain", "results/adapter")
    assert explained.returncode == 0, explained.stderr
    assert "fine_tune" in explained.stdout
    assert "abstracts" in explained.stdout
    card = built.dreamsmk("card", "results/tweets.parquet", "--json")
    check_card(json.loads(card.stdout))
    stats = json.loads(built.dreamsmk("cache", "stats", "--json").stdout)
    assert {row["provider"] for row in stats["models"]} == {"openai", "transformers"}


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path: Path, wire: WireServer, tiny_model: Path) -> None:
    """SIGKILL during training: the next run resumes, and asks the teacher for nothing."""
    wire.reply("Write an abstract.", "In this paper, we do the thing number {number}.")
    project = main_workflow(tmp_path / "project", wire, tiny_model, max_steps=400, save_steps=5)
    process = project.start("results/adapter", output=tmp_path / "killed.log")
    checkpoints = project.folder / ".dreamsmk/scratch"
    wait_for(lambda: len(list(checkpoints.glob("**/checkpoint-*/trainer_state.json"))) > 1, process=process)
    kill_tree(process)
    asked = wire.count
    run = project.run("results/adapter")
    assert run.worked == ["adapter"]
    assert wire.count == asked
    record = json.loads(built_record(project))
    assert record["facts"]["training"]["steps"] == 400
    assert record["facts"]["training"]["steps_before_resuming"] > 0


def built_record(project: Project) -> str:
    explained = project.dreamsmk("explain", "results/adapter", "--json")
    return json.dumps(json.loads(explained.stdout)[0]["record"])
