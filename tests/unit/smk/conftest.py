"""What the tests of `smk` share: an empty folder to read workflows in, and its memo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamsmk.hashing import DigestMemo
from dreamsmk.smk import binding


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, with a home of its own and Snakemake's classes left as they are."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DREAMSMK_HOME", raising=False)
    monkeypatch.setenv("DREAMSMK_ACCELERATE", "0")
    yield folder
    binding.open_memo.cache_clear()


@pytest.fixture
def memo(tmp_path: Path) -> DigestMemo:
    """A stat memo."""
    return DigestMemo(tmp_path / "digests.db")
