from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import make_tiny_adapter, make_tiny_model
from tests.unit.tasks.evaluation.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture(scope="session")
def tiny_adapter(tmp_path_factory, tiny_model) -> Path:
    return make_tiny_adapter(tmp_path_factory.mktemp("tiny") / "adapter", tiny_model)
