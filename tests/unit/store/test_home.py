from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.store import Home
from tests.unit.store.shelf import Shelf, fingerprint_of


def test_the_home_is_as_configured_else_of_the_environment_else_beside_the_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DREAMSMK_HOME", raising=False)
    assert Home.of().path == tmp_path / ".dreamsmk"
    monkeypatch.setenv("DREAMSMK_HOME", "/state")
    assert Home.of().path == Path("/state")
    assert Home.of("mine").path == tmp_path / "mine"


def test_fingerprints_are_listed_by_what_they_have(shelf: Shelf) -> None:
    stored, working = fingerprint_of("stored"), fingerprint_of("working")
    shelf.keep(stored, {"file": b"x"})
    shelf.make(working, {"file": b"x"})
    parts = ("actions", "blobs", "locks")
    assert [list(shelf.home.fingerprints(part)) for part in parts] == [[stored]] * 3
    assert list(shelf.home.fingerprints("scratch")) == sorted([stored, working])
    assert list(shelf.home.fingerprints("records")) == []


def test_a_digest_finds_those_that_made_it(shelf: Shelf) -> None:
    actions = [shelf.job(name, b"same") for name in ("a", "b")]
    digest = actions[0].outputs["file"].digest
    assert shelf.home.makers_of(digest) == sorted(action.fingerprint for action in actions)
    assert shelf.home.makers_of("rows-" + digest) == []
