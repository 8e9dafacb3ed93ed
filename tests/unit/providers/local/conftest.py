from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_t5


@pytest.fixture(scope="session")
def spec(tiny: Path) -> ModelSpec:
    return ModelSpec(provider="transformers", model=str(tiny), dtype="float32", device="cpu", batch_size=4)


@pytest.fixture(scope="session")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_t5(tmp_path_factory.mktemp("models") / "t5")


@pytest.fixture(scope="session")
def t5_spec(t5: Path) -> ModelSpec:
    return ModelSpec(
        provider="transformers", model=str(t5), dtype="float32", device="cpu", batch_size=4, api="completions"
    )
