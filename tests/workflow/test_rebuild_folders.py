"""The rebuild contract for folders: models and adapters that other rules make, as targets, inputs and part of a model.

Every row goes through real Snakemake with no extra flag, over a model folder of some megabytes that a rule of the
user's makes, an adapter beside it, a local model that is asked and a training. Tables and services stand in
`test_rebuild_matrix.py`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tiny import make_tiny_adapter
from tests.workflow.project import Project

RULES = """
rule base:
    input: "sources/base", "sources/base.txt"
    output: directory("models/base")
    shell: "cp -R sources/base {output}"

rule adapter:
    input: "sources/adapter"
    output: directory("models/adapter")
    shell: "cp -R sources/adapter {output}"

use rule process_with_prompt from dream as tweets with:
    input: "papers.csv"
    output: "results/tweets.parquet"
    threads: 1
    params:
        model="student",
        inputs="abstract",
        instruction="Write a tweet.",

use rule split from dream as parts with:
    input: "results/tweets.parquet"
    output: train="results/train.parquet", validation="results/validation.parquet"
    params: train=1, validation=1

use rule fine_tune from dream as trained with:
    input: train="one.csv", validation="two.csv"
    output: model=directory("results/adapter")
    threads: 1
    params:
        model="base",
        inputs="abstract",
        outputs="tweet",
        max_steps=2,
        batch_size=1,
        lora={"r": 2},
"""
TARGETS = 'results/train.parquet", "results/adapter'
BASE = {"provider": "transformers", "model": "models/base", "dtype": "float32", "max_tokens": 4}
MODELS = {"base": BASE, "student": BASE | {"adapter": "models/adapter"}}
FILES = {
    "papers.csv": "abstract\nAbout attention\nAbout scaling\n",
    "one.csv": "abstract,tweet\nthe of and,to in a\nis that for,it as was\n",
    "two.csv": "abstract,tweet\nwith be by,on not he\n",
}
# Snakemake never looks into a folder; this one is too large for its hashes besides.
LARGE = "models/base/large.bin"
LARGE_BYTES = 3_000_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Project:
    """The workflow, built once."""
    project = Project.with_rules(
        tmp_path_factory.mktemp("folders") / "project", RULES, {"models": MODELS}, target=TARGETS, **FILES
    )
    shutil.copytree(tiny_model, project.folder / "sources/base")
    project.write("sources/base.txt", "where the base is from")
    (project.folder / "sources/base/large.bin").write_bytes(bytes(LARGE_BYTES))
    for seed, name in ((1, "adapter"), (2, "adapter trained again")):
        make_tiny_adapter(project.folder / "sources" / name, tiny_model, seed=seed)
    run = project.run()
    assert run.worked == ["parts", "trained", "tweets"], run.output
    assert run.calls == 2
    return project


def touch(name: str) -> Callable[[Project], None]:
    return lambda project: (project.folder / name).touch()


def edit_with_mtime_kept(project: Project) -> None:
    """Changes one byte of a large file, and neither its size nor its time."""
    path = project.folder / LARGE
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(LARGE_BYTES // 2)
        file.write(b"\1")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def train_again(project: Project) -> None:
    """Writes other weights over the adapter, in place."""
    weights = "adapter_model.safetensors"
    shutil.copyfile(
        project.folder / "sources/adapter trained again" / weights, project.folder / "models/adapter" / weights
    )


def swap_inputs(project: Project) -> None:
    project.replace("Snakefile", 'train="one.csv", validation="two.csv"', 'train="two.csv", validation="one.csv"')


def rename_model(project: Project) -> None:
    config = project.config
    for spec in config["models"].values():
        spec["model"] = "models/renamed"
    project.configure(config)
    project.replace("Snakefile", 'directory("models/base")', 'directory("models/renamed")')


@dataclass(frozen=True)
class Row:
    """One row of the contract."""

    name: str
    change: Callable[[Project], object]
    works: str = ""
    calls: int = 0
    restores: str | None = None
    """The jobs whose targets are kept or put back; None where it is left open."""


ROWS = [
    Row("nothing", lambda project: None, restores=""),
    Row("a touched file inside", touch(LARGE), restores=""),
    Row("a touched folder", touch("models/base")),
    Row("a large file inside, same mtime", edit_with_mtime_kept, "trained tweets", 2, restores="parts"),
    Row("a file more in a subfolder", lambda p: p.write("models/adapter/notes/a.txt", "a"), "tweets", 2, "parts"),
    Row("a file less", lambda p: (p.folder / "models/adapter/README.md").unlink(), "tweets", 2, "parts"),
    Row("an adapter trained again in place", train_again, "parts tweets", 2, ""),
    Row(
        "a folder made anew, the same", lambda p: p.write("sources/base.txt", "again"), restores="parts trained tweets"
    ),
    Row("named inputs that swap places", swap_inputs, "trained", restores=""),
    Row("a renamed model folder", rename_model, restores="parts trained tweets"),
    Row(
        "a file less in an output",
        lambda p: next((p.folder / "results/adapter").glob("*.safetensors")).unlink(),
        restores="trained",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_contract(row: Row, built: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    shutil.copytree(built.folder, project.folder)
    row.change(project)
    run = project.run()
    assert run.worked == sorted(row.works.split()), run.output
    assert run.calls == row.calls
    if row.restores is not None:
        assert run.restored == row.restores.split(), run.output
    if run.restored and not run.worked:
        assert project.run().did_nothing, "what was just put back is up to date"
