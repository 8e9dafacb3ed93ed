"""GPUs are leased to one process at a time, and the lease ends with the process."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dreamsmk.errors import SettingsError, StoreError
from dreamsmk.smk.lease import WAIT_SECONDS, lease_gpus, visible_devices

ROOT = Path(__file__).parents[3]
TWO = {"CUDA_VISIBLE_DEVICES": "0,1"}
ASKING = """
import sys
from pathlib import Path
from dreamsmk.smk.lease import lease_gpus
print("asking", flush=True)
lease = lease_gpus(int(sys.argv[2]), folder=Path(sys.argv[1]))
print(",".join(lease.devices), flush=True)
sys.stdin.read()
"""
Ask = Callable[[int], "subprocess.Popen[bytes]"]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Starts processes that ask for GPUs 0 and 1, each in a working folder of its own, and hold them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(wanted: int) -> subprocess.Popen[bytes]:
        folder = tmp_path / f"workflow{len(started)}"
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", ASKING, str(tmp_path / "leases"), str(wanted)],
            cwd=folder,
            env={**os.environ, **TWO, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what was read ahead would be hidden from select
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"asking\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[bytes], seconds: float = 20) -> str | None:
    """Returns the devices that a process got; None if it still waits."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline().decode().strip() if ready else None


def test_two_processes_get_different_gpus_and_a_third_waits_until_one_is_killed(ask: Ask) -> None:
    first, second = ask(1), ask(1)
    devices = {answer(first), answer(second)}
    assert devices == {"0", "1"}
    third = ask(1)
    assert answer(third, 1.5 * WAIT_SECONDS) is None
    first.kill()
    assert answer(third) in devices


def test_who_wants_two_gets_them_only_together(ask: Ask) -> None:
    one = ask(1)
    held = answer(one)
    both = ask(2)
    assert answer(both, 1.5 * WAIT_SECONDS) is None
    other = ask(1)
    assert {held, answer(other)} == {"0", "1"}, "the one that waits for two holds none"
    one.kill()
    other.kill()
    assert answer(both) == "0,1"


def test_a_lease_that_is_given_back_can_be_taken_again(tmp_path: Path) -> None:
    lease = lease_gpus(2, TWO, folder=tmp_path)
    lease.release()
    again = lease_gpus(2, TWO, folder=tmp_path)
    assert again.devices == ["0", "1"]
    again.release()


@pytest.mark.parametrize("name", ["SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "KUBERNETES_SERVICE_HOST"])
def test_what_a_scheduler_gave_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    given = {"CUDA_VISIBLE_DEVICES": "3,GPU-5a", name: "17"}
    for _ in range(2):
        assert lease_gpus(1, given, folder=tmp_path / "leases").devices == ["3", "GPU-5a"]
    assert not (tmp_path / "leases").exists()


def test_more_gpus_than_there_are_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="3 GPUs are wanted, and there are 2"):
        lease_gpus(3, TWO, folder=tmp_path)
    with pytest.raises(SettingsError, match="2 GPUs are wanted, and there is none"):
        lease_gpus(2, {"CUDA_VISIBLE_DEVICES": ""}, folder=tmp_path)


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_without_a_gpu_the_lease_is_empty_and_the_job_runs_on_the_cpu(tmp_path: Path, hidden: str) -> None:
    assert lease_gpus(1, {"CUDA_VISIBLE_DEVICES": hidden}, folder=tmp_path).devices == []


def test_a_job_that_wants_no_gpu_takes_none(tmp_path: Path) -> None:
    assert lease_gpus(0, TWO, folder=tmp_path).devices == []


def test_leases_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot take a GPU"):
        lease_gpus(1, TWO, folder=tmp_path / "file")


def test_gpus_are_counted_by_the_driver_where_none_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA H200 (UUID: GPU-2)'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert visible_devices({}) == ["0", "1"]
    command.write_text("#!/bin/sh\necho 'no driver'\nexit 9\n")
    assert visible_devices({}) == []
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert visible_devices({}) == []
