"""One process of a training on several devices: `python -m … FOLDER RANK PROCESSES NODES`.

Contract: it runs the task of the job file in FOLDER as the torch.distributed worker RANK of its node, and leaves there
what `launch.py` reads: progress and facts of the first worker, and the error of any. It ends when its parent does. With
`node` in the place of the rank it starts the workers of its node, as SLURM numbers them.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from dreamsmk.errors import DreamsmkError
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.context import Context

JOB_FILE = "job.json"
PROGRESS = "progress.jsonl"
WORKER_VARIABLE = "DREAMSMK_TRAINING_WORKER"

_PR_SET_PDEATHSIG = 1


def failure_file(rank: int | str) -> str:
    """Returns the name of the file with a worker's error."""
    return f"failure-{rank}.json"


class FileProgress:
    """The progress of the first worker, as lines of a file that the task's own process reads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        """Says that `done` of `total` steps are done."""
        self._file.write(json.dumps({"done": done, "total": total, "facts": facts}) + "\n")

    def note(self, text: str) -> None:
        """Says one line."""
        self._file.write(json.dumps({"note": text}) + "\n")


class NoProgress:
    """That of the other workers."""

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        """Says nothing."""

    def note(self, text: str) -> None:
        """Says nothing."""


class SpecOfModel:
    """A model of the config that trainers only ask for its spec."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec


def main(folder: Path, place: str, processes: int, nodes: int) -> int:
    """Returns the exit status."""
    _end_with_parent()
    if place == "node":
        return _run_node(folder, processes, nodes)
    node = int(os.environ.get("SLURM_NODEID", "0")) if nodes > 1 else 0
    rank = node * processes + int(place)
    os.environ |= {
        WORKER_VARIABLE: "1",
        "RANK": str(rank),
        "LOCAL_RANK": place,
        "WORLD_SIZE": str(processes * nodes),
        "LOCAL_WORLD_SIZE": str(processes),
    }
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    module, _, name = job["task"].partition(":")
    context = _context(job, folder, rank)
    try:
        getattr(import_module(module), name)(context)
    except DreamsmkError as exc:
        told = {"kind": type(exc).__name__, "what": exc.what, "where": exc.where, "hint": exc.hint}
        (folder / failure_file(rank)).write_text(json.dumps(told), encoding="utf-8")
        return 1
    if rank == 0:
        (folder / "facts.json").write_text(json.dumps(context.facts), encoding="utf-8")
    _leave_group()
    return 0


# Any: JSON.
def _context(job: dict[str, Any], folder: Path, rank: int) -> Context:
    specs = {alias: _spec(found) for alias, found in job["models"].items()}
    return Context(
        params=job["params"],
        inputs={role: [Path(path) for path in paths] for role, paths in job["inputs"].items()},
        outputs={role: Path(path) for role, path in job["outputs"].items()},
        scratch=Path(job["scratch"]),
        model=lambda alias: SpecOfModel(specs[alias]),  # type: ignore[arg-type, return-value]  # trainers ask no model
        progress=FileProgress(folder / PROGRESS) if rank == 0 else NoProgress(),
        threads=int(os.environ.get("OMP_NUM_THREADS", "1")),
        settings=job["settings"],
        home=Path(job["home"]),
    )


# Any: JSON.
def _spec(found: dict[str, Any]) -> ModelSpec:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
    return ModelSpec(**values)


def _run_node(folder: Path, processes: int, nodes: int) -> int:
    command = [sys.executable, "-m", "dreamsmk.tasks.training.frame.workers", str(folder)]
    started = [subprocess.Popen([*command, str(rank), str(processes), str(nodes)]) for rank in range(processes)]
    codes = [process.wait() for process in started]  # srun ends the step as soon as one node has failed
    return max(map(abs, codes))


def _end_with_parent() -> None:
    """Has the kernel end this process as soon as the one that started it is gone, even by SIGKILL."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent or parent == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def _leave_group() -> None:
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
