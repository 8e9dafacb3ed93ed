"""Which checkpoint of a killed training to go on from.

Contract: a checkpoint is trusted only when it is whole. transformers writes a checkpoint file by file into its final
folder and `trainer_state.json` last, and its own search takes the highest number, whole or not.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)")
_WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")


def newest_whole_checkpoint(folder: Path) -> Path | None:
    """Returns the whole checkpoint with the most steps, and deletes those that are not whole."""
    found = {int(m[1]): path for path in folder.glob("checkpoint-*") if (m := _NAME.fullmatch(path.name))}
    whole = {step: path for step, path in found.items() if is_whole(path, step)}
    for step, path in found.items():
        if step not in whole:
            # else its remains would make the next checkpoint of that step look whole while it is being written
            shutil.rmtree(path)
    return whole[max(whole)] if whole else None


def is_whole(checkpoint: Path, step: int) -> bool:
    """Tells whether weights, optimizer, schedule, random states and the state of the trainer are all there."""
    try:
        state = json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return False
    has_weights = any((checkpoint / name).is_file() for name in _WEIGHTS)
    has_state = all((checkpoint / name).is_file() for name in ("optimizer.pt", "scheduler.pt"))
    has_random_states = any(checkpoint.glob("rng_state*.pth"))
    return bool(state.get("global_step") == step and has_weights and has_state and has_random_states)
