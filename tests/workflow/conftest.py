"""What the workflow tests share: a service that counts, and small models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny.model import make_tiny_model
from tests.wire.server import WireServer


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A server that speaks the wire formats of OpenAI and Anthropic and counts its calls."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny causal language model with a tokenizer and a chat template."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    make_tiny_model(folder)
    return folder
