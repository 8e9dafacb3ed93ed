from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dreamsmk.errors import StoreError
from dreamsmk.store import write_bytes
from dreamsmk.store.collect import Collection, Policy, collect
from dreamsmk.store.files import beside
from dreamsmk.store.inventory import store_stats
from tests.unit.store.shelf import Shelf, fingerprint_of, large_content

OLD = 40 * 86400
ALL = Policy(older_than_seconds=0)


def run(shelf: Shelf, **policy: object) -> Collection:
    return collect(shelf.home, shelf.memo, Policy(**policy))


def gone(collection: Collection, kind: str = "entry") -> list[str]:
    return sorted(each.task or each.name for each in collection.collected if each.kind == kind)


def age(shelf: Shelf, name: str, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(shelf.home.action(fingerprint_of(name)), (moment, moment))


def is_stored(shelf: Shelf, name: str) -> bool:
    return shelf.store.find(fingerprint_of(name)) is not None


def test_without_a_choice_no_entry_goes(shelf: Shelf) -> None:
    shelf.job("a", b"x")
    age(shelf, "a", OLD)
    assert gone(run(shelf, grace_seconds=0)) == []
    assert is_stored(shelf, "a")


def test_entries_go_by_their_last_use(shelf: Shelf) -> None:
    for name, seconds in (("old", OLD), ("used", OLD), ("new", 0), ("of tomorrow", -86400)):
        shelf.job(name, name.encode())
        age(shelf, name, seconds)
    assert is_stored(shelf, "used")
    collection = run(shelf, older_than_seconds=30 * 86400)
    assert gone(collection) == ["old"]
    assert (collection.entries_left, collection.size_bytes_left) == (3, len("usednewof tomorrow"))
    assert [is_stored(shelf, name) for name in ("old", "used", "new", "of tomorrow")] == [False, True, True, True]
    assert not shelf.home.blob(fingerprint_of("old")).exists()
    assert shelf.records.load(fingerprint_of("old")), "records are small, and stay"


def test_those_unused_longest_go_until_the_rest_fits(shelf: Shelf) -> None:
    for index, name in enumerate("abcd"):
        shelf.job(name, name.encode() * 1000)
        age(shelf, name, 1000 - index)
    assert gone(run(shelf, max_size_bytes=4000)) == []
    assert gone(run(shelf, max_size_bytes=2500)) == ["a", "b"]
    assert gone(run(shelf, max_size_bytes=0)) == ["c", "d"]


def test_what_a_target_on_disk_goes_back_to_is_reachable(shelf: Shelf, tmp_path: Path) -> None:
    """The first step's own target is gone, as one of `temp()` is; so are a whole other chain's."""
    first = shelf.job("first", b"1", tmp_path / "first")
    shelf.job("last", b"2", tmp_path / "a b/last\n論", {"file": first.outputs["file"].digest})
    other = shelf.job("other", b"3", tmp_path / "other")
    shelf.job("edited", b"4", tmp_path / "edited", {"file": other.outputs["file"].digest})
    (tmp_path / "first").unlink()
    (tmp_path / "other").unlink()
    (tmp_path / "edited").write_bytes(b"edited")
    assert gone(run(shelf, is_unreachable=True, is_dry_run=True)) == ["edited", "other"]
    assert gone(run(shelf, is_unreachable=True, older_than_seconds=OLD)) == []
    assert gone(run(shelf, is_unreachable=True)) == ["edited", "other"]
    assert is_stored(shelf, "first")
    assert is_stored(shelf, "last")


def test_targets_are_reachable_in_a_project_that_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    before = Shelf.at(project / ".dreamsmk")
    before.job("a", b"x", Path("results/a"))
    before.memo.close()
    monkeypatch.chdir(tmp_path)
    project.rename(tmp_path / "moved")
    moved = Shelf.at(tmp_path / "moved/.dreamsmk")
    assert gone(run(moved, is_unreachable=True)) == []
    (tmp_path / "moved/results/a").unlink()
    assert gone(run(moved, is_unreachable=True)) == ["a"]
    moved.memo.close()


def test_records_go_when_asked_for_and_nothing_goes_back_to_them(shelf: Shelf, tmp_path: Path) -> None:
    first = shelf.job("first", b"1")
    shelf.job("last", b"2", tmp_path / "last", {"file": first.outputs["file"].digest})
    shelf.job("gone", b"3", tmp_path / "gone")
    shelf.job("entry", b"4")
    (tmp_path / "gone").unlink()
    for name in ("first", "last", "gone"):
        age(shelf, name, OLD)
    collection = run(shelf, older_than_seconds=OLD - 1, with_records=True)
    assert gone(collection) == ["first", "gone", "last"]
    assert gone(collection, "record") == [fingerprint_of("gone")]
    assert shelf.records.load(fingerprint_of("gone")) is None
    assert all(shelf.records.load(fingerprint_of(name)) for name in ("first", "last", "entry"))
    assert shelf.records.producer(tmp_path / "last") is not None


def test_what_killed_jobs_left_goes_after_the_grace(shelf: Shelf, tmp_path: Path) -> None:
    shelf.job("a", b"x", tmp_path / "target")
    shelf.store.take(fingerprint_of("half"), shelf.make(fingerprint_of("half"), {"f": b"f"}), {"f": "file"})
    scratch = shelf.home.scratch(fingerprint_of("killed"))
    write_bytes(scratch / "work/checkpoint-1/weights", b"w" * 100)
    write_bytes(shelf.home.discarded() / "of a killed collector", b"x" * 10)
    leftover = beside(tmp_path / "target")
    leftover.write_bytes(b"half")
    mine = tmp_path / ".mine.0123456789ab.tmp"
    mine.write_bytes(b"a user's file")
    collection = run(shelf)
    assert gone(collection, "output without entry") == [fingerprint_of("half")]
    assert gone(collection, "trash") == [str(shelf.home.trash)]
    assert gone(collection, "scratch") == []
    for path in (scratch, *scratch.rglob("*")):
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    assert gone(run(shelf), "scratch") == [fingerprint_of("killed")]
    assert not scratch.exists()
    assert leftover.exists(), "its change time is now, so that somebody may be about to rename it"
    assert not any(shelf.home.trash.iterdir())
    assert mine.exists()


def test_a_dry_run_says_the_same_and_changes_nothing(shelf: Shelf, tmp_path: Path) -> None:
    for name in "abc":
        shelf.job(name, b"x" * 100, tmp_path / name)
    shelf.store.take(fingerprint_of("half"), shelf.make(fingerprint_of("half"), {"f": b"f"}), {"f": "file"})

    def state() -> list[tuple[str, int]]:
        return sorted((str(p), p.lstat().st_mtime_ns) for p in shelf.home.path.rglob("*") if "digests.db" not in p.name)

    before = state()
    policy = {"older_than_seconds": 0, "is_unreachable": False, "grace_seconds": 0, "with_records": True}
    would = run(shelf, **policy, is_dry_run=True)
    assert state() == before
    did = run(shelf, **policy)
    assert would == did
    assert sum(each.freed_bytes for each in did.collected if each.kind == "entry") == 300


def test_a_shared_file_frees_nothing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.job("linked", large_content(1), tmp_path / "target")
    assert (tmp_path / "target").stat().st_nlink == 2
    [entry] = [each for each in collect(shelf.home, shelf.memo, ALL).collected if each.kind == "entry"]
    assert entry.freed_bytes == 0
    assert (tmp_path / "target").read_bytes() == large_content(1)


def test_what_a_job_holds_is_left_alone(shelf: Shelf) -> None:
    shelf.job("a", b"x")
    shelf.make(fingerprint_of("working"), {"f": b"f"})
    with shelf.store.lock(fingerprint_of("a")), shelf.store.lock(fingerprint_of("working")):
        collection = run(shelf, older_than_seconds=0, grace_seconds=-1, with_records=True)
    assert collection.collected == []
    assert collection.in_use > 0
    assert is_stored(shelf, "a")


def test_lock_files_that_nobody_holds_go(shelf: Shelf) -> None:
    shelf.job("a", b"x")
    assert gone(run(shelf), "lock") == [fingerprint_of("a")]
    assert list(shelf.home.fingerprints("locks")) == []
    with shelf.store.lock(fingerprint_of("a")):
        assert is_stored(shelf, "a")


def test_an_entry_of_a_newer_version_stops_the_collector(shelf: Shelf) -> None:
    shelf.job("a", b"x")
    shelf.home.action(fingerprint_of("a")).write_text('{"version": 9}')
    with pytest.raises(StoreError, match="version 9"):
        run(shelf, older_than_seconds=0)


def test_stats_count_entries_by_task_and_bytes_by_part(shelf: Shelf) -> None:
    assert store_stats(shelf.home, shelf.records).oldest_use is None
    for name in ("a", "b"):
        shelf.job(name, name.encode() * 100)
    shelf.keep(fingerprint_of("bare"), {"model": {"x": b"1" * 30, "y/z": b"2" * 30}})
    stats = store_stats(shelf.home, shelf.records)
    assert (stats.entries, stats.size_bytes, stats.parts["blobs"]) == (3, 260, 260)
    assert [(usage.task, usage.entries, usage.size_bytes) for usage in stats.tasks] == [
        ("a", 1, 100),
        ("b", 1, 100),
        ("(no record)", 1, 60),
    ]
    assert stats.parts["records"] > 0
    assert stats.parts["digests"] > 0
    assert stats.parts["calls"] == 0
    assert stats.oldest_use is not None
    assert stats.oldest_use <= (stats.newest_use or "")
