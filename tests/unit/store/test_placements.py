"""What was last put at each path."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from dreamsmk.errors import StoreError
from dreamsmk.store.placements import Placement, Placements


def placements(root: Path) -> Placements:
    return Placements(root / ".dreamsmk" / "placements.db")


def placed(path: Path, fingerprint: str = "xxh3:1") -> Placement:
    return Placement(path.name, str(path), fingerprint, "rows-xxh3:2")


def test_the_last_one_at_a_path_counts(tmp_path: Path) -> None:
    known = placements(tmp_path)
    assert known.at(tmp_path / "a") is None
    known.put([placed(tmp_path / "a"), placed(tmp_path / "b")])
    known.put([placed(tmp_path / "a", "xxh3:9")])
    assert known.at(tmp_path / "a") == placed(tmp_path / "a", "xxh3:9")
    assert [entry.path for entry in known.all()] == ["a", "b"]
    assert known.snapshot().at(tmp_path / "a") == ("xxh3:9", "rows-xxh3:2")
    assert known.snapshot().at(tmp_path / "c") is None


def test_a_moved_project_keeps_what_it_knew(tmp_path: Path) -> None:
    old = tmp_path / "old"
    placements(old).put([placed(old / "a")])
    new = old.rename(tmp_path / "new")
    found = placements(new).at(new / "a")
    assert found is not None
    assert found.fingerprint == "xxh3:1"


def test_paths_outside_the_project_and_odd_names_are_kept(tmp_path: Path) -> None:
    known = placements(tmp_path / "project")
    for name in ("with space", "line\nbreak", "ünï", "not-utf8-\udcff"):
        known.put([placed(tmp_path / name)])
        assert known.snapshot().at(tmp_path / name) is not None


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / ".dreamsmk").mkdir()
    (tmp_path / ".dreamsmk/placements.db").write_bytes(b"this is no database" * 100)
    known = placements(tmp_path)
    assert list(known.all()) == []
    known.put([placed(tmp_path / "a")])
    assert known.at(tmp_path / "a") is not None


def test_a_newer_version_is_an_error(tmp_path: Path) -> None:
    placements(tmp_path).put([placed(tmp_path / "a")])
    with sqlite3.connect(tmp_path / ".dreamsmk/placements.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="99"):
        placements(tmp_path).at(tmp_path / "a")


def _put_many(root: Path, name: str) -> None:
    for number in range(50):
        placements(root).put([placed(root / f"{name}{number}")])


def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_many, args=(tmp_path, name)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert len(list(placements(tmp_path).all())) == 150
