"""What the tests of tasks share."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk with two models that echo."""
    models = {name: ModelSpec(provider="echo", model=name) for name in ("teacher", "student")}
    return Desk(tmp_path, models)
