"""Trainings in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.unit.tasks.training.job import Job, make_rows

REPOSITORY = Path(__file__).parents[4]


def test_a_killed_process_leaves_a_checkpoint_that_ends_as_an_unbroken_run(tmp_path, tiny_model):
    params = {"max_steps": 12, "batch_size": 4, "save_steps": 2, "lora": {"r": 4, "dropout": 0.2}}
    job, whole = Job(tmp_path / "killed", tiny_model), Job(tmp_path / "whole", tiny_model)
    whole.run(make_rows(20), **params)
    process = start(job.folder, tiny_model, 20, params)
    deadline = time.monotonic() + 120
    while not (job.checkpoints / "checkpoint-4" / "trainer_state.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -9
    assert not job.output.exists()
    facts = job.run(make_rows(20), **params)
    assert facts["steps_before_resuming"] >= 2
    assert job.files() == whole.files()


def test_nothing_is_left_in_the_home_folder(tmp_path, tiny_model, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("HF_", "XDG_", "TRANSFORMERS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    process = start(tmp_path / "job", tiny_model, 8, {"max_steps": 1})
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert (out, err) == ("", "")
    assert [path for path in home.rglob("*") if path.is_file()] == []


def start(folder: Path, model: Path, rows: int, params: dict) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.unit.tasks.training.job", str(folder), str(model), str(rows)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, json.dumps(params)], cwd=REPOSITORY, env=one_thread, **pipes)
