"""The pieces of a table that a plan cuts itself, so that what is made of them is counted and not guessed.

Contract: a piece is cut by the rule's own task, into the plan's folder, and only of tables that are quickly read. It is
what the job will make, and so has the digest that the job's output will have.
"""

from __future__ import annotations

from pathlib import Path

from dreamsmk.hashing import digest_rows
from dreamsmk.smk.planning.ahead import Ahead
from dreamsmk.smk.planning.asking import PlannedJob, Silent
from dreamsmk.tables import row_count
from dreamsmk.tasks import Context, Model

RULE = "shard"
MOST_BYTES = 256 * 1024 * 1024


def foresee_piece(job: PlannedJob, output: Path, ahead: Ahead) -> bool:
    """Cuts a piece, where a job does nothing else; all that it reads must be settled.

    Returns:
        Whether the plan now knows what the output will be.
    """
    if job.binding.meta.name != RULE:
        return False
    inputs = {role: [ahead.readable(path) for path in paths] for role, paths in job.inputs.items()}
    if any(path.stat().st_size > MOST_BYTES for paths in inputs.values() for path in paths):
        return False
    piece = ahead.place(output)
    outputs = dict.fromkeys(job.binding.meta.outputs, piece)
    job.binding.meta.load_task()(
        Context(job.params, inputs, outputs, scratch=ahead.folder, model=_no_model, progress=Silent())
    )
    ahead.settle(output, piece, digest_rows(piece), row_count(piece))
    return True


def _no_model(alias: str) -> Model:
    raise RuntimeError(f"{RULE} asked the model {alias!r}")
