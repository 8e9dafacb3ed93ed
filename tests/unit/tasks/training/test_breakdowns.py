from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamsmk.errors import TrainingError
from dreamsmk.tasks.training.frame.breakdowns import breakdowns_told
from tests.unit.tasks.training.job import Job, make_rows

# What a training on a tiny model writes a step is some hundred kilobytes.
DISK_BYTES = 700_000


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of a few hundred kilobytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("lora", [{"r": 4}, None], ids=["lora", "full"])
def test_a_full_disk_is_told_and_what_to_do(small_disk, tiny_model, lora):
    job = Job(small_disk / "job", tiny_model)
    with pytest.raises(TrainingError, match=r"the disk is full(.|\n)*goes on from its last checkpoint"):
        job.run(make_rows(10), batch_size=4, max_steps=9, save_steps=1, save_total_limit=20, lora=lora)
    assert not job.output.exists()


def test_memory_that_cannot_be_had_is_told_and_what_to_lower(tmp_path):
    import torch

    told = pytest.raises(TrainingError, match=r"too little memory(.|\n)*gradient_accumulation_steps")
    with told, breakdowns_told(tmp_path):
        torch.empty(1 << 60, dtype=torch.uint8)


def test_what_else_fails_is_raised_as_it_is(tmp_path):
    with pytest.raises(RuntimeError, match="other"), breakdowns_told(tmp_path / "new"):
        raise RuntimeError("something other")
    assert list((tmp_path / "new").iterdir()) == []
