from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import make_tiny_model
from tests.unit.tasks.training.job import Job


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """A tiny model gains nothing from a second thread, and loses much where the machine has other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def job(tmp_path, tiny_model) -> Job:
    return Job(tmp_path / "job", tiny_model)
