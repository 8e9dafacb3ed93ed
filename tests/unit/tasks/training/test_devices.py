"""Trainings in several processes, over gloo where there is no GPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TrainingError
from tests.unit.tasks.training.job import Job, make_rows

REPOSITORY = Path(__file__).parents[4]
STEPS = {"max_steps": 6, "batch_size": 4, "save_steps": 2}


def losses(job: Job) -> list[float]:
    return pl.read_parquet(job.output / "history.parquet")["loss"].drop_nulls().to_list()


def weights(job: Job) -> dict:
    from safetensors.torch import load_file

    return load_file(next(path for path in job.output.iterdir() if path.name.endswith("model.safetensors")))


@pytest.mark.parametrize("lora", [{"r": 4}, None], ids=["lora", "full"])
def test_two_processes_learn_what_one_learns(tmp_path, tiny_model, lora):
    one, two = Job(tmp_path / "one", tiny_model), Job(tmp_path / "two", tiny_model)
    one.run(make_rows(12), make_rows(4), **STEPS, lora=lora)
    facts = two.run(make_rows(12), make_rows(4), **STEPS, lora=lora, processes=2)
    assert facts["processes"] == 2
    assert two.progress.notes == ["training in 2 processes"]
    assert [done for done, _, _ in two.progress.steps] == [1, 2, 3, 4, 5, 6]
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    assert set(one.files()) == set(two.files())
    found = weights(two)
    assert all((found[name] - tensor).abs().max() < 1e-4 for name, tensor in weights(one).items())
    assert facts["eval_loss"][-1]["eval_loss"] == pytest.approx(
        pl.read_parquet(one.output / "history.parquet")["eval_loss"].drop_nulls()[-1], abs=1e-2
    )


def test_an_error_of_the_workers_is_that_of_the_task(job):
    with pytest.raises(TrainingError, match=r"at step [1-6] of 6(.|\n)*lower learning_rate"):
        job.run(make_rows(8), **STEPS, processes=2, learning_rate=1e20)
    assert not job.output.exists()


def test_a_batch_that_cannot_be_shared_out_is_refused(job):
    with pytest.raises(SettingsError, match=r"among 3 devices(.|\n)*multiple of 3"):
        job.run(make_rows(8), **STEPS, processes=3)


def test_rows_to_validate_on_that_fill_no_batch_are_told(job):
    job.run(make_rows(4), make_rows(3), max_steps=1, batch_size=4, processes=2)
    assert job.progress.notes[1].startswith("3 rows to validate on are no multiple of 4")


def test_weights_are_not_shared_out_among_cpus(job):
    with pytest.raises(SettingsError, match="fsdp` needs GPUs"):
        job.run(make_rows(8), **STEPS, processes=2, sharding="fsdp")


KILLED = """
import json, sys
from pathlib import Path
from tests.unit.tasks.training.job import Job, make_rows
job = Job(Path(sys.argv[1]), sys.argv[2])
job.run(make_rows(12), batch_size=4, epochs=1000, save_steps=1, processes=2)
"""


def test_no_worker_outlives_a_killed_job_and_the_next_run_goes_on(tmp_path, tiny_model):
    job = Job(tmp_path / "job", tiny_model)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(job.folder), str(tiny_model)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(job.checkpoints.glob("checkpoint-*/trainer_state.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = children(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # the length is part of what is trained: only the checkpoints tell that this is the same job
    facts = job.run(make_rows(12), batch_size=4, epochs=1000, max_steps=40, processes=2)
    assert 0 < facts["steps_before_resuming"] < 40


def children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
