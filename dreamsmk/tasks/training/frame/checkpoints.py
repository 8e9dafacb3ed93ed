"""Which checkpoint of a killed training to go on from.

Contract: a checkpoint is trusted only when it is whole. transformers writes a checkpoint file by file into its final
folder, each process its own random state and the first one `trainer_state.json` last, and its own search takes the
highest number, whole or not.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAME = re.compile(r"checkpoint-(\d+)")
_WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a training writes its checkpoints.

    Attributes:
        rows: Rows that go through the model at once, in all processes together.
        is_sharded: Whether weights and optimizer are shared out among the processes (FSDP).
    """

    rows: int
    is_sharded: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any], processes: int) -> Layout:  # Any: JSON
        """Returns that of a trainer's parameters in so many processes."""
        rows = params["batch_size"] // params["gradient_accumulation_steps"]
        return cls(rows, is_sharded=params.get("sharding") == "fsdp" and processes > 1)


def newest_whole_checkpoint(folder: Path, layout: Layout) -> Path | None:
    """Returns the whole checkpoint with the most steps, and deletes those that are not whole or of another layout."""
    found = {int(m[1]): path for path in folder.glob("checkpoint-*") if (m := _NAME.fullmatch(path.name))}
    whole = {step: path for step, path in found.items() if is_whole(path, step, layout)}
    for step, path in found.items():
        if step not in whole:
            # else its remains would make the next checkpoint of that step look whole while it is being written
            shutil.rmtree(path)
    return whole[max(whole)] if whole else None


def is_whole(checkpoint: Path, step: int, layout: Layout) -> bool:
    """Tells whether weights, optimizer, schedule, random states and the state of the trainer are all there."""
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return False
    if state.get("global_step") != step or not any((checkpoint / name).is_file() for name in _WEIGHTS):
        return False
    optimizer = ["optimizer.bin", "pytorch_model_fsdp.bin"] if layout.is_sharded else ["optimizer.pt"]
    # a run on more or fewer devices goes on from it: those that wrote it are counted, not those that read it
    processes = layout.rows // (state.get("train_batch_size") or layout.rows)
    random = [f"rng_state_{rank}.pth" for rank in range(processes)] if processes > 1 else ["rng_state.pth"]
    return all((checkpoint / name).is_file() for name in [*optimizer, "scheduler.pt", *random])
