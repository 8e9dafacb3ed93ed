"""Trackers of experiments: TensorBoard, Weights & Biases, Trackio.

Contract: one line of the config, `report_to: tensorboard`, turns one on for all trainings; nothing of it is part of a
fingerprint. A tracker that is not installed is an error before the training.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context

_FOLDER_VARIABLE = "TENSORBOARD_LOGGING_DIR"


# Any: arguments of every type.
def tracker_arguments(context: Context, trainer: str) -> dict[str, Any]:
    """Returns the fields of `transformers.TrainingArguments` that say where a training is reported to.

    A run is called by the rule's method and the beginning of its fingerprint. TensorBoard's files lie in the home,
    under `tensorboard/`; the others keep theirs where they are configured to (`WANDB_*`, `TRACKIO_*`).

    Raises:
        SettingsError: The tracker is not installed.
    """
    name = context.settings.get("report_to")
    if name is None:
        return {"report_to": "none"}
    if importlib.util.find_spec(name) is None:
        raise SettingsError(f"the package {name!r} is not installed", where="report_to", hint=f"pip install {name}")
    # the scratch folder of a job is named by its fingerprint
    run = f"{trainer}-{context.scratch.parent.name[:12]}"
    os.environ[_FOLDER_VARIABLE] = str(context.home / "tensorboard" / run)
    return {"report_to": name, "run_name": run}
