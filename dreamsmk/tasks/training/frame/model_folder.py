"""The folder that a training leaves.

Contract: it holds the weights (`.safetensors`), the tokenizer with its chat template and the loss history (and beside
the adapter of a classifier its config, with the labels), and nothing else: no checkpoint, no pickled arguments, no card
with a made-up licence. Equal trainings leave equal bytes, and no path of the machine is in it unless the user wrote it
into the model spec.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.providers.classifier_model import HEAD_FILE
from dreamsmk.tables import write_table
from dreamsmk.tasks.training.frame.history import FILE_NAME

if TYPE_CHECKING:
    import polars

    from dreamsmk.settings import ModelSpec


# Any: transformers and peft publish no types.
def write_model_folder(  # all but the first three are by keyword
    folder: Path,
    model: Any,
    tokenizer: Any,
    *,
    spec: ModelSpec,
    history: polars.DataFrame,
    weights: Mapping[str, Any] | None = None,
) -> None:
    """Writes a trained model, or its adapter if it is a peft model.

    Args:
        folder: Where to write; what lies there is removed.
        model: The model, on any device.
        tokenizer: Its tokenizer.
        spec: The base model, as the user wrote it.
        history: The loss history.
        weights: Its tensors by name, where they had to be gathered from several devices.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    is_adapter = hasattr(model, "peft_config")
    gathered = {} if weights is None else {"state_dict": weights}
    if is_adapter:
        # "auto" would ask the Hub for the base model's vocabulary; a reference adapter of DPO is no part of the result
        model.save_pretrained(str(folder), save_embedding_layers=False, selected_adapters=["default"], **gathered)
        (folder / "README.md").unlink(missing_ok=True)
        _rewrite_adapter_config(folder / "adapter_config.json", spec)
        if model.peft_config["default"].task_type == "SEQ_CLS":
            # the base knows nothing of the head, and so not how many logits there are and what they mean
            model.config.to_json_file(str(folder / HEAD_FILE))
    else:
        if weights is not None:
            # gathered one by one, weights that are the same in two places are no longer seen to be
            twice = getattr(model, "all_tied_weights_keys", {})
            gathered = {"state_dict": {name: tensor for name, tensor in weights.items() if name not in twice}}
        model.save_pretrained(str(folder), **gathered)
    tokenizer.save_pretrained(str(folder))
    write_table(history, folder / FILE_NAME)
    make_readable(folder)


def make_readable(folder: Path) -> None:
    """Gives each file the mode 0644: safetensors are written for their owner alone."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def _rewrite_adapter_config(path: Path, spec: ModelSpec) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": spec.model, "revision": spec.revision}
    for name, value in config.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            config[name] = sorted(value)  # peft writes sets, whose order changes from process to process
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
