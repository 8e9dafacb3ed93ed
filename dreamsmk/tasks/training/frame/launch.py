"""Trains on several devices, and on several nodes, without a launcher: the task starts its own workers.

Contract: every worker runs the same task on the same rows; only the first of them writes what the training leaves, says
how far it is and tells the facts. One that fails ends the others, and its error is the task's. No worker outlives the
job, however the job ends.

Where SLURM gave the job several nodes, one process on each of them starts the workers there; the home has to be on a
file system that they share, as on every cluster.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk import errors
from dreamsmk.errors import DreamsmkError, SettingsError, TrainingError
from dreamsmk.tasks.training.frame import workers
from dreamsmk.tasks.training.frame.checkpoints import Layout, newest_whole_checkpoint
from dreamsmk.tasks.training.frame.devices import gpu_count, process_count
from dreamsmk.tasks.training.frame.workers import JOB_FILE, PROGRESS, WORKER_VARIABLE, failure_file

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context, Progress, Task

_END_SECONDS = 10.0
_POLL_SECONDS = 0.05


def on_all_devices(*models: str) -> Callable[[Task], Task]:
    """Lets a task run in as many processes as `processes:` says, or as the job has GPUs.

    Args:
        models: The parameters that name models.
    """

    def decorate(task: Task) -> Task:
        @functools.wraps(task)
        def run(context: Context) -> None:
            fleet = Fleet.of(context.params)
            if fleet.size == 1 or WORKER_VARIABLE in os.environ:
                task(context)
            else:
                _run_in_workers(task, context, fleet, models)

        return run

    return decorate


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many workers there are.

    Attributes:
        processes: On each node.
        nodes: Nodes.
    """

    processes: int
    nodes: int = 1

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Fleet:  # Any: JSON
        """Returns the fleet of a job, as its parameters and its scheduler say.

        Raises:
            SettingsError: There is not one GPU for each process, or weights are to be shared out among CPUs.
        """
        if WORKER_VARIABLE in os.environ:
            return cls(process_count())
        gpus, asked = gpu_count(), params.get("processes")
        if asked and gpus and asked != gpus:
            raise SettingsError(
                f"each process has a GPU of its own, and there are {asked} for {gpus}",
                where="processes",
                hint=f"ask for resources: gpu={asked}, or leave `processes` out",
            )
        fleet = cls(asked or max(gpus, 1), int(os.environ.get("SLURM_JOB_NUM_NODES", "1")))
        if params.get("sharding") == "fsdp" and not gpus:
            raise SettingsError("`sharding: fsdp` needs GPUs", where="sharding", hint="leave it out")
        return fleet

    @property
    def size(self) -> int:
        """Workers in all."""
        return self.processes * self.nodes


def _run_in_workers(task: Task, context: Context, fleet: Fleet, models: Sequence[str]) -> None:
    # what a killed run left half is removed once, before several processes look for it
    newest_whole_checkpoint(context.scratch / "checkpoints", Layout.of(context.params, fleet.size))
    context.scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="workers-", dir=context.scratch))
    (folder / JOB_FILE).write_text(json.dumps(_described(task, context, models)), encoding="utf-8")
    context.progress.note(_in_words(fleet))
    with _started(folder, fleet, context.threads) as running:
        _relay(running, context.progress)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    facts.get("training", {}).update(processes=fleet.size, **({"nodes": fleet.nodes} if fleet.nodes > 1 else {}))
    context.facts.update(facts)


# Any: JSON.
def _described(task: Task, context: Context, models: Sequence[str]) -> dict[str, Any]:
    named = {alias for name in models for alias in _aliases(context.params.get(name))}
    return {
        "task": f"{task.__module__}:{task.__name__}",
        "params": dict(context.params),
        "inputs": {role: [str(path) for path in paths] for role, paths in context.inputs.items()},
        "outputs": {role: str(path) for role, path in context.outputs.items()},
        "scratch": str(context.scratch),
        "home": str(context.home),
        "models": {alias: asdict(context.model(alias).spec) for alias in sorted(named)},
        "settings": {name: context.settings[name] for name in ("report_to",) if name in context.settings},
    }


# Any: JSON.
def _aliases(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _aliases(inner)


@dataclass(slots=True)
class _Workers:
    """The processes that this one started: workers, or with several nodes the one `srun` that starts them."""

    processes: list[subprocess.Popen[bytes]]
    folder: Path

    def check(self) -> bool:
        """Says whether all have ended well; ends the others and raises where one has not."""
        codes = [process.poll() for process in self.processes]
        if any(code not in (None, 0) for code in codes):
            self.end()
            raise self._failure(codes)
        return all(code == 0 for code in codes)

    def end(self) -> None:
        """Ends those that still run."""
        running = [process for process in self.processes if process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _END_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _failure(self, codes: Sequence[int | None]) -> DreamsmkError:
        # the others fail as soon as one is gone, with nothing to say
        for path in sorted(self.folder.glob(failure_file("*"))):
            told = json.loads(path.read_text(encoding="utf-8"))
            kind = getattr(errors, told["kind"], TrainingError)
            error: DreamsmkError = DreamsmkError.__new__(kind)
            DreamsmkError.__init__(error, told["what"], where=told["where"], hint=told["hint"])
            return error
        rank, code = next((rank, code) for rank, code in enumerate(codes) if code not in (None, 0))
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with status {code}"
        return TrainingError(
            f"worker {rank} of {len(codes)} {how}", hint="its own words are in the log; memory may have run out"
        )


@contextmanager
def _started(folder: Path, fleet: Fleet, threads: int) -> Iterator[_Workers]:
    """Starts the workers; when the block is left none of them runs any more."""
    environment = {
        **os.environ,
        "MASTER_ADDR": socket.gethostname() if fleet.nodes > 1 else "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": str(max(1, threads // fleet.processes)),
    }
    (folder / PROGRESS).touch()
    module = [sys.executable, "-m", workers.__name__, str(folder)]
    counts = [str(fleet.processes), str(fleet.nodes)]
    if fleet.nodes > 1:
        # all said: what is not is taken from the step of one task that this process is
        tasks = [f"--nodes={fleet.nodes}", f"--ntasks={fleet.nodes}", "--ntasks-per-node=1"]
        step = ["srun", "--overlap", *tasks, "--kill-on-bad-exit=1"]
        commands = [[*step, *module, "node", *counts]]
    else:
        commands = [[*module, str(rank), *counts] for rank in range(fleet.processes)]
    running = _Workers([], folder)
    try:
        for command in commands:
            running.processes.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL))
        yield running
    finally:
        running.end()


def _relay(running: _Workers, progress: Progress) -> None:
    """Tells what the first worker says, until all have ended."""
    with (running.folder / PROGRESS).open(encoding="utf-8") as lines:
        has_ended, rest = False, ""
        while True:
            rest += lines.read()
            *whole, rest = rest.split("\n")
            for line in whole:
                said = json.loads(line)
                if "note" in said:
                    progress.note(said["note"])
                else:
                    progress.update(said["done"], said["total"], **said["facts"])
            if has_ended:
                return
            has_ended = running.check()
            if not has_ended:
                time.sleep(_POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("", 0))
        return int(found.getsockname()[1])


def _in_words(fleet: Fleet) -> str:
    nodes = f" on {fleet.nodes} nodes" if fleet.nodes > 1 else ""
    return f"training in {fleet.size} processes{nodes}"
