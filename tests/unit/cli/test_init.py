"""`dreamsmk init` makes a folder that is a workflow."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Ask


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def template() -> dict[str, bytes]:
    with resources.as_file(resources.files("dreamsmk.cli") / "template") as folder:
        found = contents(folder)
    return {name.replace("gitignore", ".gitignore"): content for name, content in found.items()}


def test_the_folder_holds_the_template_and_nothing_else(ask: Ask, tmp_path: Path) -> None:
    said = ask("init", str(tmp_path / "new" / "paper"))
    assert said.status == 0
    assert contents(tmp_path / "new" / "paper") == template()
    assert {"workflow/Snakefile", "config/config.yaml", "README.md", ".gitignore"} <= set(template())


def test_it_says_what_to_do_next_and_stdout_stays_clean(ask: Ask, tmp_path: Path) -> None:
    said = ask("init", str(tmp_path / "my paper"))
    assert said.out == ""
    assert said.err.splitlines()[1:] == [f"  cd '{tmp_path}/my paper'", "  snakemake --cores 2"]


def test_the_working_folder_may_be_used_if_it_is_empty(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = ask("init", ".")
    assert said.status == 0
    assert "cd " not in said.err
    assert contents(tmp_path) == template()


def test_a_folder_that_is_not_empty_is_left_as_it_is(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    said = ask("init", str(tmp_path))
    assert said.status == 2
    assert said.err == f"dreamsmk: the folder is not empty\nat: {tmp_path}\nhint: give a new one\n"
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_is_no_folder(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    said = ask("init", str(tmp_path / "notes.txt"))
    assert said.status == 2
    assert "this is a file" in said.err


def test_a_place_that_cannot_be_written_is_an_error_without_a_trace(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    said = ask("init", str(tmp_path / "notes.txt" / "paper"))
    assert said.status == 2
    assert "cannot write here" in said.err
    assert len(said.err.splitlines()) <= 3


def test_the_new_workflow_runs_as_it_is_and_ignores_what_it_makes(made: Path) -> None:
    assert (made / "results" / "cards" / "tweets.md").read_text().startswith("---\n")
    made_names = {path.name for path in made.iterdir()} - {name.partition("/")[0] for name in template()}
    ignored = {line.rstrip("/") for line in (made / ".gitignore").read_text().splitlines()}
    assert made_names <= ignored
