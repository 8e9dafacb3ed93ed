"""Every rule's example runs, offline but for the package registry, and is clean under Snakemake's own linters.

What an example loads from the Hub comes from a small one on this machine, and what it has trained at a service is
trained by one here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import examples as hub_examples
from tests.wire import examples as service_examples
from tests.workflow.project import ROOT, Project

EXAMPLES = sorted(path.parent for path in ROOT.glob("rules/*/example/Snakefile"))
MODULES = sorted(path.parent.name for path in ROOT.glob("rules/*/meta.yaml"))


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all examples, so that the embedded model is converted once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def hub_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which the Hub's clients ask a Hub that has what the examples load."""
    with hub_examples.hub_of_examples(tmp_path_factory.mktemp("hub")) as environment:
        yield environment


@pytest.fixture(scope="module")
def service_environment() -> Iterator[dict[str, str]]:
    """The environment in which examples ask a service that trains models."""
    with service_examples.service_of_examples() as environment:
        yield environment


def test_every_rule_has_an_example() -> None:
    assert [path.parent.name for path in EXAMPLES] == MODULES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_builds_its_targets_and_then_nothing(
    example: Path, tmp_path: Path, shared_home: Path, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(example, tmp_path / "example")
    environment = {"DREAMSMK_HOME": str(shared_home)}
    if example.parent.name in hub_examples.RULES:
        environment |= request.getfixturevalue("hub_environment")
    if example.parent.name in service_examples.RULES:
        environment |= request.getfixturevalue("service_environment")
    project = Project(tmp_path / "example", environment)
    project.run()
    made = re.findall(r'"((?:results|resources)/[^"]+)"', (example / "Snakefile").read_text())
    assert made
    for target in made:
        assert (project.folder / target).exists(), target
    assert project.run().did_nothing


def test_a_new_workflow_of_the_command_line_runs(tmp_path: Path) -> None:
    project = Project(tmp_path)
    made = project.dreamsmk("init", "paper")
    assert made.returncode == 0, made.stderr
    paper = Project(tmp_path / "paper")
    paper.run()
    assert (paper.folder / "results/cards/tweets.md").read_text().startswith("---\n")
    assert paper.run().did_nothing


@pytest.mark.parametrize(
    "folder",
    [ROOT, *EXAMPLES, ROOT / "dreamsmk/cli/template"],
    ids=lambda folder: str(folder.relative_to(ROOT)) if folder != ROOT else "main",
)
def test_snakemake_lint_is_clean(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakefmt_is_clean() -> None:
    snakefmt = Path(sys.executable).with_name("snakefmt")
    checked = subprocess.run(
        [snakefmt, "--check", "workflow", "rules", "dreamsmk/cli/template"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
