"""What the tests of the command line share: a project that `dreamsmk init` made and Snakemake built, once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dreamsmk.cli import main
from dreamsmk.smk import binding

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Said:
    """What a command said."""

    status: int
    out: str
    err: str


Ask = Callable[..., Said]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Runs a command in this process, on a terminal of a hundred columns."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("DREAMSMK_ACCELERATE", "0")
    monkeypatch.delenv("DREAMSMK_HOME", raising=False)

    def run(*words: str) -> Said:
        try:
            status = main(list(words))
        except SystemExit as exc:  # argparse ends the process itself
            status = int(exc.code or 0)
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    yield run
    binding.open_memo.cache_clear()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as a newcomer has it after the first two commands; not to be changed."""
    folder = tmp_path_factory.mktemp("cli") / "my-paper"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("DREAMSMK_HOME", None)
    for command in (["dreamsmk.cli", "init", str(folder)], ["snakemake", "--cores", "2"]):
        cwd = folder if folder.exists() else None
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the built project, as the working folder."""
    folder = tmp_path / "my-paper"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder
