from __future__ import annotations

import os
from pathlib import Path

import pytest

from dreamsmk.errors import StoreError
from dreamsmk.store import open_records, write_json
from tests.unit.store.shelf import Shelf, fingerprint_of, record


def test_a_target_is_found_by_its_content_wherever_it_is(shelf: Shelf, tmp_path: Path) -> None:
    action = shelf.job("a", b"content", tmp_path / "target")
    os.rename(tmp_path / "target", tmp_path / "renamed 論\n")
    found = shelf.records.producer(tmp_path / "renamed 論\n")
    assert found is not None
    assert found["fingerprint"] == action.fingerprint
    last = shelf.records.last_at(tmp_path / "target")
    assert last is not None
    assert last["fingerprint"] == action.fingerprint


def test_a_source_and_an_edited_target_have_no_producer(shelf: Shelf, tmp_path: Path) -> None:
    shelf.job("a", b"content", tmp_path / "target")
    (tmp_path / "target").write_bytes(b"edited")
    assert shelf.records.producer(tmp_path / "target") is None
    assert shelf.records.producer(tmp_path / "missing") is None
    assert shelf.records.last_at(tmp_path / "source") is None


def test_where_several_gave_one_content_the_path_decides_and_else_the_latest(shelf: Shelf, tmp_path: Path) -> None:
    """The clock stepped back between the two: what was put at the path still counts."""
    late, early = shelf.job("late", b"same"), shelf.job("early", b"same")
    shelf.records.write(record(late, task="late", inputs={}, finished_at="2026-01-02"))
    digest = early.outputs["file"].digest
    shelf.store.put_back(early, {"file": tmp_path / "t"})
    shelf.records.placed(early.fingerprint, {"file": (tmp_path / "t", digest)})
    for path, expected in ((tmp_path / "t", early), (tmp_path / "elsewhere", late)):
        found = shelf.records.by_digest(digest, str(path))
        assert found is not None
        assert found["fingerprint"] == expected.fingerprint


def test_a_name_that_is_not_utf8_can_be_a_target(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / os.fsdecode(b"caf\xe9")
    action = shelf.job("a", b"content", target)
    found = shelf.records.producer(target)
    assert found is not None
    assert found["fingerprint"] == action.fingerprint


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"path"'])
def test_what_is_no_record_is_none(shelf: Shelf, tmp_path: Path, content: bytes) -> None:
    action = shelf.job("a", b"content", tmp_path / "t")
    shelf.home.record(action.fingerprint).write_bytes(content)
    assert shelf.records.load(action.fingerprint) is None
    assert shelf.records.producer(tmp_path / "t") is None
    assert shelf.records.last_at(tmp_path / "t") is None


def test_a_record_of_a_newer_version_is_an_error(shelf: Shelf) -> None:
    write_json(shelf.home.record(fingerprint_of("a")), {"record_version": 2})
    with pytest.raises(StoreError, match="version 2"):
        shelf.records.load(fingerprint_of("a"))


def test_records_are_opened_by_their_folder(shelf: Shelf, tmp_path: Path) -> None:
    action = shelf.job("a", b"content", tmp_path / "t")
    found = open_records(shelf.home.path).producer(tmp_path / "t")
    assert found is not None
    assert found["fingerprint"] == action.fingerprint
