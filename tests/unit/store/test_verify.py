from __future__ import annotations

import shutil

import pytest

from dreamsmk.errors import StoreError
from dreamsmk.store.verify import verify
from tests.unit.store.shelf import Shelf, fingerprint_of


@pytest.fixture
def filled(shelf: Shelf) -> Shelf:
    for name in ("good", "bad"):
        shelf.keep(fingerprint_of(name), {"file": b"f" * 10, "model": {"weights": b"w" * 10}})
    return shelf


def test_a_whole_store_is_whole(filled: Shelf) -> None:
    verified = verify(filled.home)
    assert (verified.entries, verified.size_bytes, verified.damages) == (2, 40, [])


def test_damage_that_the_memo_does_not_see_is_found(filled: Shelf) -> None:
    """A disk that rots changes no time stamp: here the memo is told that the damaged bytes are right."""
    blob = filled.home.blob(fingerprint_of("bad")) / "file"
    right = filled.memo.of(blob, "bytes")
    blob.write_bytes(b"F" * 10)
    filled.memo.note(blob, {"bytes": right})
    assert filled.store.find(fingerprint_of("bad")) is not None
    [damage] = verify(filled.home, is_dry_run=True).damages
    assert (damage.fingerprint, damage.role) == (fingerprint_of("bad"), "file")
    assert filled.home.action(fingerprint_of("bad")).exists()
    assert verify(filled.home).damages == [damage]
    assert filled.store.find(fingerprint_of("bad")) is None
    assert not filled.home.blob(fingerprint_of("bad")).exists()
    assert filled.store.find(fingerprint_of("good")) is not None
    assert verify(filled.home).damages == []


def test_what_is_gone_and_what_cannot_be_read_is_damage(filled: Shelf) -> None:
    shutil.rmtree(filled.home.blob(fingerprint_of("bad")) / "model")
    filled.home.action(fingerprint_of("good")).write_bytes(b"{")
    whats = sorted(damage.what for damage in verify(filled.home).damages)
    assert whats == ["it is gone", "the entry cannot be read"]
    assert list(filled.home.fingerprints("actions")) == []


def test_what_a_job_holds_is_not_looked_at(filled: Shelf) -> None:
    with filled.store.lock(fingerprint_of("bad")):
        verified = verify(filled.home)
    assert (verified.entries, verified.in_use) == (1, 1)


def test_an_entry_of_a_newer_version_is_an_error(filled: Shelf) -> None:
    filled.home.action(fingerprint_of("bad")).write_text('{"version": 9}')
    with pytest.raises(StoreError, match="version 9"):
        verify(filled.home)
