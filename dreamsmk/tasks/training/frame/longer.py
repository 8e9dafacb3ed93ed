"""A longer training goes on from where a shorter one ended.

Contract: `epochs` or `max_steps` raised and nothing else changed gives the very weights of an unbroken longer training,
or a training that begins anew and says why. That holds where the learning rate of a step does not depend on how many
follow (`constant`, `constant_with_warmup`, `inverse_sqrt`): there the last checkpoint is kept in the home, under the
digest of all that decides the steps but their number, until `dreamsmk store gc` finds that nobody came back for it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.hashing import DigestMemo, canonical_bytes, digest_bytes
from dreamsmk.hashing.code import identify_function
from dreamsmk.providers import resolve_identity
from dreamsmk.store import Home
from dreamsmk.tasks.training.frame.checkpoints import Layout, newest_whole_checkpoint
from dreamsmk.tasks.training.frame.devices import process_count

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context
    from dreamsmk.tasks.training.frame.parameters import TrainingParameters

_OPEN_ENDED = frozenset({"constant", "constant_with_warmup", "inverse_sqrt"})
_LENGTH = frozenset({"epochs", "max_steps"})
_MARK = "ended.json"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a training's last checkpoint waits for a longer one.

    Attributes:
        folder: In the home, the same for trainings of every length.
        obstacle: Why a longer training could not go on from it; empty where it can.
    """

    folder: Path
    obstacle: str

    def take(self, checkpoints: Path, max_steps: int, layout: Layout) -> str:
        """Puts what a shorter training left among the checkpoints of a longer one.

        Args:
            checkpoints: Those of the longer training; it has none yet.
            max_steps: Its last step.
            layout: That of its checkpoints.

        Returns:
            What to tell the user; empty where there was no shorter training.
        """
        mark = self.folder / _MARK
        ended = json.loads(mark.read_text(encoding="utf-8"))["steps"] if mark.is_file() else 0
        if not 0 < ended < max_steps:
            return ""
        if self.obstacle:
            return f"training anew, not on from step {ended} of the shorter training: {self.obstacle}"
        kept = newest_whole_checkpoint(self.folder, layout)
        if kept is None:
            return ""
        shutil.copytree(kept, checkpoints / kept.name, dirs_exist_ok=True)
        return f"the shorter training ended at step {ended}: {max_steps - ended} more"

    def keep(self, checkpoints: Path, steps: int) -> None:
        """Keeps the checkpoint of the last step, and that a training of this length ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        last = checkpoints / f"checkpoint-{steps}"
        if not self.obstacle and last.is_dir():
            for older in self.folder.glob("checkpoint-*"):
                shutil.rmtree(older)
            shutil.move(last, self.folder / last.name)
        (self.folder / _MARK).write_text(json.dumps({"steps": steps}), encoding="utf-8")


def shelf_of(  # all but the first four are by keyword
    context: Context,
    params: TrainingParameters,
    trainer: str,
    obstacle: str,
    *,
    others: tuple[str, ...] = (),
    functions: tuple[str, ...] = (),
) -> Shelf:
    """Returns the shelf of a training.

    Args:
        context: That of the task.
        params: Those of the rule.
        trainer: The method.
        obstacle: Why this method cannot go on, empty where it can.
        others: Aliases of the models that it learns from.
        functions: The user's functions that it learns from.
    """
    digest = _digest(context, params, trainer, others, functions)
    return Shelf(Home(context.home).scratch(digest), obstacle or _obstacle(params))


def _obstacle(params: TrainingParameters) -> str:
    if process_count() > 1:
        return "it ran in several processes"
    if params.lr_scheduler not in _OPEN_ENDED:
        return f"with `lr_scheduler: {params.lr_scheduler}` the learning rate of each step depends on their number"
    if 0 < params.warmup_steps < 1:
        return "`warmup_steps` is a share of all steps"
    if params.keep == "best" or params.early_stopping_patience is not None:
        return "the weights that were left are not those of its last step"
    return ""


def _digest(
    context: Context, params: TrainingParameters, trainer: str, others: tuple[str, ...], functions: tuple[str, ...]
) -> str:
    memo = DigestMemo(Home(context.home).digests)
    identity, *learnt_from = (resolve_identity(context.model(alias).spec, memo.of) for alias in (params.model, *others))
    decides = {
        "longer": 1,
        "trainer": trainer,
        "params": {name: value for name, value in context.params.items() if name not in params.EXECUTION | _LENGTH},
        "model": asdict(identity),
        "others": [asdict(other) for other in learnt_from],
        "functions": [identify_function(reference, base=Path()).digest for reference in functions],
        "inputs": {role: [memo.of(path) for path in paths] for role, paths in sorted(context.inputs.items()) if paths},
        "packages": {name: version(name) for name in ("torch", "transformers", "trl", "peft")},
    }
    return digest_bytes(canonical_bytes(decides))
