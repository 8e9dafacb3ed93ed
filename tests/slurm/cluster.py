"""SLURM's daemons in a folder of their own, without systemd, cgroups, munge or a database.

Debian's slurmd can be started once for each of several nodes of one host (`-N`). Nothing outside the folder is written.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmdParameters=config_overrides
KillWait=2
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_PROGRAMS = ("slurmctld", "slurmd", "srun", "sbatch", "sinfo")


def is_installed() -> bool:
    """Says whether SLURM's programs are on this machine."""
    return all(shutil.which(name) for name in _PROGRAMS)


@dataclass
class Cluster:
    """A cluster that runs within a `with` block; `folder` has a short path, since sockets are in it."""

    folder: Path
    nodes: int = 2
    _daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """In which SLURM's programs find this cluster."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self) -> Self:
        (self.folder / "state").mkdir(parents=True)
        (self.folder / "slurm.conf").write_text(self._conf(), encoding="utf-8")
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\nIgnoreSystemd=yes\n", encoding="utf-8")
        self._start("slurmctld", "-D")
        for number in range(self.nodes):
            (self.folder / f"spool.n{number}").mkdir()
            self._start("slurmd", "-D", "-N", f"n{number}")
        deadline = time.monotonic() + 60
        while self._idle() < self.nodes:
            assert time.monotonic() < deadline, self.words()
            time.sleep(0.2)
        return self

    def __exit__(self, *exc: object) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def run(self, *command: str, nodes: int, seconds: float = 240) -> subprocess.CompletedProcess[str]:
        """Runs a command as a batch job on the first of several nodes, and returns when it has ended."""
        output = self.folder / "job.out"
        batch = ["sbatch", "--wait", f"--nodes={nodes}", "--ntasks-per-node=1", f"--output={output}", "--wrap"]
        import shlex

        done = subprocess.run(
            [*batch, shlex.join(command)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        told = output.read_text(encoding="utf-8") if output.exists() else ""
        return subprocess.CompletedProcess(command, done.returncode, told, done.stderr + self.words())

    def words(self) -> str:
        """Returns the ends of the daemons' logs."""
        return "\n".join(path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("*.log")))

    def _conf(self) -> str:
        host = socket.gethostname().split(".")[0]
        nodes = "\n".join(
            f"NodeName=n{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()} CPUs=4 RealMemory=4000"
            for number in range(self.nodes)
        )
        return _CONF.format(
            folder=self.folder, host=host, user=getpass.getuser(), control_port=_free_port(), nodes=nodes
        )

    def _start(self, program: str, *arguments: str) -> None:
        command = [program, *arguments, "-f", str(self.folder / "slurm.conf")]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._daemons.append(subprocess.Popen(command, env=self.environment, **quiet))

    def _idle(self) -> int:
        told = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%T"], env=self.environment, capture_output=True, text=True, check=False
        )
        return told.stdout.split().count("idle")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
