"""`dreamsmk cache stats`: what was asked and paid for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Ask


def test_each_model_has_a_line_under_a_heading(ask: Ask, project: Path) -> None:
    said = ask("cache", "stats")
    assert said.status == 0
    heading, line = said.out.splitlines()
    assert heading.split("  ")[0] == "provider"
    assert line.split()[:3] == ["echo", "echo", "16"]
    assert "{" not in said.out


def test_the_json_has_every_count(ask: Ask, project: Path) -> None:
    (row,) = json.loads(ask("cache", "stats", "--json").out)
    assert (row["provider"], row["model"], row["calls"]) == ("echo", "echo", 16)
    assert row["usage"]["input_tokens"] > 0


def test_a_cache_without_calls_says_so_beside_the_data(ask: Ask, tmp_path: Path) -> None:
    said = ask("cache", "stats", "--home", str(tmp_path))
    assert (said.status, said.out) == (0, "")
    assert "no calls yet" in said.err
    assert json.loads(ask("cache", "stats", "--home", str(tmp_path), "--json").out) == []
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_where_there_is_no_state_it_is_not_made(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = ask("cache", "stats")
    assert said.status == 2
    assert said.err.splitlines()[0] == "dreamsmk: there is no state of dreamsmk here"
    assert list(tmp_path.iterdir()) == []


def test_another_file_may_be_named(ask: Ask, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = (project / ".dreamsmk" / "calls.db").rename(tmp_path / "shared.db")
    monkeypatch.chdir(tmp_path)
    assert "16" in ask("cache", "stats", "--file", str(moved)).out
    assert ask("cache", "stats", "--file", str(tmp_path / "none.db")).status == 2


def test_the_home_may_come_from_the_environment(
    ask: Ask, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMSMK_HOME", str(project / ".dreamsmk"))
    monkeypatch.chdir(tmp_path)
    assert "16" in ask("cache", "stats").out


def test_a_file_that_is_no_call_cache_is_failed_work_and_left_as_it_is(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    path.write_text("this is no database, " * 300)
    said = ask("cache", "stats", "--file", str(path))
    assert said.status == 1
    assert said.out == ""
    assert len(said.err.splitlines()) <= 3
    assert path.read_text().startswith("this is no database")
