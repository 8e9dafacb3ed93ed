"""The rebuild contract: for each change, which jobs do their work, and how many model calls are made.

Every row goes through real Snakemake with no extra flag, over tables of some bytes and of some megabytes, with the
SQLite cache and a service that counts its calls. Folders as inputs stand in `test_rebuild_folders.py`, user functions
in `test_functions.py`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars
import pytest

from tests.wire.server import WireServer
from tests.workflow.project import Project

RULES = """
rule papers:
    output: "results/papers.csv"
    run:
        import shutil
        shutil.copyfile("papers.csv", output[0])

use rule process_with_prompt from dream as tweets with:
    input: table="results/papers.csv", instruction="tweet.txt"
    output: "results/tweets.parquet"
    params:
        model="teacher",
        inputs="abstract",
        system_prompt="You write for scientists.",
        extra={"flag": True},
        columns={"generations": "tweet"},

use rule process_with_prompt from dream as short with:
    input: "results/tweets.parquet"
    output: "results/short.parquet"
    params:
        model="teacher",
        inputs="tweet",
        instruction="Make it shorter.",

use rule data_from_prompt from dream as samples with:
    output: "results/samples.parquet"
    params: model="teacher", n=3, max_tokens=4, instruction="Write anything."

use rule split from dream as parts with:
    input: "results/short.parquet"
    output: train="results/train.parquet", validation="results/validation.parquet"
    params: train=0.4, validation=0.6
"""
ABSTRACTS = ("About attention", "About scaling", "About distillation")
# Snakemake hashes files up to 1 MB by itself, and larger ones never.
SIZES = {"small": "", "large": " " + "word " * 200_000}
ALL_JOBS = ["parts", "samples", "short", "tweets"]


def papers(size: str, abstracts: tuple[str, ...] = ABSTRACTS, titles: str = "abcdefgh") -> str:
    rows = [f"{title},{text}.{SIZES[size]}" for title, text in zip(titles, abstracts, strict=False)]
    return "\n".join(["title,abstract", *rows]) + "\n"


@pytest.fixture(scope="module")
def service() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module", params=SIZES)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: WireServer
) -> tuple[str, Project]:
    """The workflow, built once for each size."""
    size = str(request.param)
    folder = tmp_path_factory.mktemp(size) / "project"
    teacher = {"provider": "openai", "model": "gpt", "base_url": service.openai_url, "max_retries": 0}
    project = Project.with_rules(
        folder, RULES, {"models": {"teacher": teacher}}, target="results/all.done", **{"tweet.txt": "Write a tweet.\n"}
    )
    project.write("papers.csv", papers(size))
    targets = '["results/train.parquet", "results/validation.parquet", "results/samples.parquet"]'
    project.replace("Snakefile", 'input: "results/all.done"', f"input: {targets}")
    before = service.count
    assert project.run().worked == ALL_JOBS
    assert service.count - before == 9
    return size, project


@dataclass(frozen=True)
class Row:
    """One row of the contract."""

    name: str
    change: Callable[[Project, str], None]
    works: str = ""
    calls: int = 0
    restores_only: bool = False
    """Whether jobs may be restored, where none does its work."""


def config_of_teacher(**values: Any) -> Callable[[Project, str], None]:
    def change(project: Project, size: str) -> None:
        config = project.config
        config["models"]["teacher"] |= values
        project.configure(config)

    return change


def snakefile(old: str, new: str) -> Callable[[Project, str], None]:
    return lambda project, size: project.replace("Snakefile", old, new)


def source(
    abstracts: tuple[str, ...] = ABSTRACTS, *, titles: str = "abcdefgh", age_seconds: float | None = None
) -> Any:
    def change(project: Project, size: str) -> None:
        for path in (project.folder / "papers.csv", project.folder / "results/papers.csv"):
            before = path.stat().st_mtime
            path.write_text(papers(size, abstracts, titles))
            if age_seconds is not None:
                os.utime(path, (before - age_seconds, before - age_seconds))

    return change


def touch(name: str) -> Callable[[Project, str], None]:
    return lambda project, size: (project.folder / name).touch()


def damage(project: Project, size: str) -> None:
    path = project.folder / "results/tweets.parquet"
    polars.read_parquet(path).head(1).write_parquet(path)


def rename_alias(project: Project, size: str) -> None:
    config = project.config
    config["models"] = {"writer": config["models"]["teacher"]}
    project.configure(config)
    project.replace("Snakefile", 'model="teacher"', 'model="writer"')


def move_target(project: Project, size: str) -> None:
    project.replace("Snakefile", "as tweets with", "as posts with")
    project.replace("Snakefile", "results/tweets.parquet", "results/posts.parquet")


def move_project(project: Project, size: str) -> None:
    project.folder = project.folder.rename(project.folder.with_name("else where ü"))


def run_twice(project: Project, size: str) -> None:
    """Edits, builds, and undoes the edit: the row is about the third run."""
    project.replace("tweet.txt", "a tweet", "a long tweet")
    project.run()
    project.replace("tweet.txt", "a long tweet", "a tweet")


A, B, C = ABSTRACTS
# The service answers by the prompt alone: what else is changed asks anew, gives the same rows, and stops there.
CHAIN = "parts short tweets"
ROWS = [
    Row("nothing", lambda project, size: None),
    Row("a touched source", touch("papers.csv")),
    Row("a touched input", touch("results/papers.csv"), restores_only=True),
    Row("a touched intermediate", touch("results/tweets.parquet"), restores_only=True),
    Row("an input's content, newer", source((A, B + "!", C)), CHAIN, 2),
    Row("an input's content, same mtime", source((A, B + "!", C), age_seconds=0), CHAIN, 2),
    Row("an input's content, older mtime", source((A, B + "!", C), age_seconds=9999), CHAIN, 2),
    Row("a column that no task reads", source(titles="zyx"), "tweets"),
    Row("a row appended", source((*ABSTRACTS, "About cards")), "parts short tweets", 2),
    Row("a row removed", source((A, B)), "parts short tweets"),
    Row("rows reordered", source((C, A, B)), CHAIN),
    Row("a template file", lambda p, s: p.replace("tweet.txt", "tweet", "toot"), CHAIN, 6),
    Row("white space around a template", lambda p, s: p.replace("tweet.txt", "tweet.", "tweet. \n"), "tweets"),
    Row("an instruction", snakefile("Make it shorter.", "Make it much shorter."), "parts short", 3),
    Row("a system prompt", snakefile("for scientists", "for children"), "tweets", 3),
    Row("an option of the provider", snakefile('"flag": True', '"flag": False'), "tweets", 3),
    Row("True and 1", snakefile('"flag": True', '"flag": 1'), "tweets", 3),
    Row(
        "a new column name",
        snakefile('"generations": "tweet"', '"generations": "tweet", "inputs": "x"'),
        "short tweets",
    ),
    Row("the model", config_of_teacher(model="gpt-2"), "samples short tweets", 9),
    Row("the revision", config_of_teacher(revision="2026-01"), "samples short tweets", 9),
    Row("the temperature of the spec", config_of_teacher(temperature=0.5), "samples short tweets", 9),
    Row("the stop of the spec", config_of_teacher(stop=["#"]), "samples short tweets", 9),
    Row("the options of the spec", config_of_teacher(options={"user": "x"}), "samples short tweets", 9),
    Row("n raised", snakefile("n=3", "n=5"), "samples", 2),
    Row("two params that swap values", snakefile("n=3, max_tokens=4", "n=4, max_tokens=3"), "samples", 4),
    Row("two shares that swap values", snakefile("train=0.4, validation=0.6", "train=0.6, validation=0.4"), "parts"),
    Row("a revert", run_twice, restores_only=True, calls=6),
    Row("a renamed alias", rename_alias, restores_only=True),
    Row("a renamed rule and a moved target", move_target, restores_only=True),
    Row("a moved project", move_project, restores_only=True),
    Row("what decides speed only", config_of_teacher(max_concurrency=2, timeout_seconds=9.0, batch_size=2)),
    Row("a damaged intermediate", damage, restores_only=True),
    Row("a licence for the cards", config_of_teacher(license="mit")),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_contract(row: Row, built: tuple[str, Project], service: WireServer, tmp_path: Path) -> None:
    size, original = built
    project = Project(tmp_path / "project")
    # a copy with its times, as `cp -a` makes it: that alone must rebuild nothing
    shutil.copytree(original.folder, project.folder)
    before = service.count
    row.change(project, size)
    run = project.run()
    assert run.worked == sorted(row.works.split()), run.output
    assert service.count - before == row.calls
    if not row.works and not row.restores_only:
        assert run.ran == [], run.output
        assert run.restored == []
    assert project.run().did_nothing, "what was just built is up to date"


def test_another_endpoint_is_another_model(built: tuple[str, Project], tmp_path: Path) -> None:
    size, original = built
    project = Project(tmp_path / "project")
    shutil.copytree(original.folder, project.folder)
    with WireServer() as other:
        config_of_teacher(base_url=other.openai_url)(project, size)
        assert project.run().worked == ["samples", "short", "tweets"]
        assert other.count == 9


def test_an_edited_run_body_of_the_users_own_rule_is_seen(
    built: tuple[str, Project], service: WireServer, tmp_path: Path
) -> None:
    _, original = built
    project = Project(tmp_path / "project")
    shutil.copytree(original.folder, project.folder)
    project.replace(
        "Snakefile",
        'shutil.copyfile("papers.csv", output[0])',
        'open(output[0], "w").write(open("papers.csv").read().replace("scaling", "pruning"))',
    )
    before = service.count
    assert project.run().worked == ["parts", "short", "tweets"]
    assert service.count - before == 2


def test_without_the_accelerator_the_same_is_built(
    built: tuple[str, Project], service: WireServer, tmp_path: Path
) -> None:
    size, original = built
    project = Project(tmp_path / "project", {"DREAMSMK_ACCELERATE": "0"})
    shutil.copytree(original.folder, project.folder)
    source(titles="zyx")(project, size)
    before = service.count
    run = project.run()
    assert run.worked == ["tweets"]
    assert run.restored == ["parts", "short"]
    assert service.count == before
    assert project.run("--forcerun", "short").worked == ["short"]


def test_a_forced_job_does_its_work_again_and_what_follows_is_restored(
    built: tuple[str, Project], service: WireServer, tmp_path: Path
) -> None:
    _, original = built
    project = Project(tmp_path / "project")
    shutil.copytree(original.folder, project.folder)
    before = service.count
    run = project.run("--forcerun", "tweets")
    assert run.worked == ["tweets"]
    assert service.count == before, "its calls are in the cache"


def test_a_deleted_target_is_put_back(built: tuple[str, Project], service: WireServer, tmp_path: Path) -> None:
    _, original = built
    project = Project(tmp_path / "project")
    shutil.copytree(original.folder, project.folder)
    (project.folder / "results/short.parquet").unlink()
    (project.folder / "results/train.parquet").unlink()
    run = project.run()
    assert run.worked == []
    assert "parts" in run.restored


def test_samples_stay_what_they_are_when_more_are_asked_for(
    built: tuple[str, Project], service: WireServer, tmp_path: Path
) -> None:
    _, original = built
    project = Project(tmp_path / "project")
    shutil.copytree(original.folder, project.folder)
    first = polars.read_parquet(project.folder / "results/samples.parquet")
    project.replace("Snakefile", "n=3", "n=5")
    project.run()
    assert polars.read_parquet(project.folder / "results/samples.parquet").head(3).equals(first)
