"""A place where tasks run that read and write files of all kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.tasks.sources.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place of its own."""
    return Place(tmp_path)
