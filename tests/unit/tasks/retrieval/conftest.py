"""What the tests of retrieval share: a desk whose models give vectors, and one that reads only a few words."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.settings import ModelSpec
from tests.tiny.encoders import make_tiny_encoder
from tests.unit.tasks.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk with two models that echo: as replies, and as vectors of 16 numbers that the words of a text decide."""
    return Desk(tmp_path, {name: ModelSpec(provider="echo", model=name) for name in ("encoder", "other", "writer")})


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real SentenceTransformer of 32 dimensions that reads 16 tokens, with random weights."""
    return make_tiny_encoder(tmp_path_factory.mktemp("models") / "encoder")
