"""Which GPUs a job may use: leased on one machine, taken as given on a cluster.

Contract: two jobs that ask for a GPU on one machine never get the same one, across workflows too; a lease ends with
the process, however it ends. `CUDA_VISIBLE_DEVICES` is set before any library looks at it. A job that asks for more
devices than there are is told so: Snakemake silently lowers a request to the limit.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dreamsmk.errors import SettingsError, StoreError

VISIBLE = "CUDA_VISIBLE_DEVICES"
WAIT_SECONDS = 0.5

# One folder a machine, not one a workflow: two workflows share the GPUs and not a home, and a home on a network file
# system is shared by machines that do not share GPUs. Not the temporary folder of the environment, which Snakemake sets
# anew for each job.
LEASES = Path("/tmp")

# A scheduler that sets one of these has already given the job its devices.
_SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "KUBERNETES_SERVICE_HOST", "_CONDOR_SCRATCH_DIR")


@dataclass(slots=True)
class Lease:
    """Devices that are this process's own until it ends.

    Attributes:
        devices: Their names in `CUDA_VISIBLE_DEVICES`; empty without a GPU.
    """

    devices: list[str]
    _held: list[IO[str]] = field(default_factory=list)

    def release(self) -> None:
        """Gives the devices back."""
        for file in self._held:
            file.close()
        self._held.clear()


def lease_gpus(wanted: int, environment: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Lease:
    """Waits for free devices and takes them.

    Args:
        wanted: How many; on a machine without a GPU the lease is empty, and the job runs on the CPU.
        environment: The environment to read, that of the process by default.
        folder: Where the leases lie; all jobs of this user on this machine share one by default.

    Raises:
        SettingsError: More than one device is wanted, and the machine has fewer.
        StoreError: The leases cannot be written.
    """
    env = os.environ if environment is None else environment
    devices = visible_devices(env)
    if any(name in env for name in _SCHEDULERS):
        return Lease(devices)
    if wanted <= 0 or not devices:
        if wanted > 1:
            raise SettingsError(f"{wanted} GPUs are wanted, and there is none", where="resources.gpu")
        return Lease([])
    if wanted > len(devices):
        raise SettingsError(
            f"{wanted} GPUs are wanted, and there are {len(devices)}",
            where="resources.gpu",
            hint="lower the rule's gpu, or show more devices in CUDA_VISIBLE_DEVICES",
        )
    leases = folder or LEASES / f"dreamsmk-leases-{os.getuid()}"
    while True:
        lease = _try_take(devices, wanted, leases)
        if lease is not None:
            return lease
        time.sleep(WAIT_SECONDS)


def visible_devices(environment: Mapping[str, str]) -> list[str]:
    """Returns the devices that this process may see, by their names in `CUDA_VISIBLE_DEVICES`."""
    if VISIBLE in environment:
        return [name.strip() for name in environment[VISIBLE].split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if listed.returncode == 0 else 0
    return [str(index) for index in range(count)]


def _try_take(devices: list[str], wanted: int, leases: Path) -> Lease | None:
    """Takes all or nothing, so that two jobs that want two devices each cannot hold one each for ever."""
    lease = Lease([])
    for device in devices:
        file = _opened(leases / device.replace("/", "_"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        lease._held.append(file)
        lease.devices.append(device)
        if len(lease.devices) == wanted:
            return lease
    lease.release()
    return None


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open(path, "a", encoding="utf-8")
    except OSError as exc:
        raise StoreError(f"cannot take a GPU: {exc.strerror or exc}", where=str(path)) from exc
