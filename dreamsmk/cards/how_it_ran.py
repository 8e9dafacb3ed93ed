"""How a training, a merge or a quantization ran: what was resumed and kept, on which hardware, with which packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.cards.description import unique
from dreamsmk.cards.markup import duration, escaped, number

_PACKAGES = ("torch", "transformers", "trl", "peft", "sentence-transformers", "setfit", "bitsandbytes", "torchao")
_OF_ENCODERS = frozenset({"embedding_model", "setfit"})


# Any (in this file): JSON of a card.
def hardware(step: Mapping[str, Any]) -> str:
    """Returns the processors of a step; empty where they were not recorded."""
    environment = step["other_reproducibility_information"]["environment"]
    gpus = [_gpu(gpu) for gpu in environment.get("gpus") or ()]
    if gpus:
        kinds = [f"{gpus.count(kind)} × {kind}" if gpus.count(kind) > 1 else kind for kind in unique(gpus)]
        return ", ".join(kinds)
    cores = environment.get("cpu_count")
    words = [str(environment.get("processor") or ""), f"{number(cores)} cores" if cores else ""]
    return ", ".join(word for word in words if word)


def how_it_ran(step: Mapping[str, Any]) -> list[list[str]]:
    """Returns what was kept and resumed, on which hardware and with which packages."""
    training, rows = step["training"] or {}, []
    if training.get("kept_step") is not None:
        rows.append(["Weights kept", f"those of step {number(training['kept_step'])}, the best of the validations"])
    if training.get("steps_before_resuming"):
        rows.append(["Resumed", f"from the checkpoint of step {number(training['steps_before_resuming'])}"])
    if training.get("trainer") == "openai_fine_tune":
        return [*rows, ["Wall time", duration(step["duration_seconds"])]]
    count = training.get("processes") or 1
    if count > 1:
        nodes = training.get("nodes") or 1
        rows.append(["Processes", f"{number(count)}{f' on {number(nodes)} nodes' if nodes > 1 else ''}"])
    if hardware(step):
        rows.append(["Hardware", escaped(hardware(step))])
    rows.append(["Wall time", duration(step["duration_seconds"])])
    packages = step["other_reproducibility_information"]["environment"].get("packages") or {}
    named = [f"{name} {packages[name]}" for name in _packages(step) if name in packages]
    return [*rows, ["Versions", escaped(", ".join(named))]] if named else rows


def _packages(step: Mapping[str, Any]) -> list[str]:
    """Returns the packages that a step was done with, as far as they decide what came out."""
    trainer = (step["training"] or {}).get("trainer")
    settings = (step["training"] or {}).get("hyper_parameters") or {}
    method = f"{settings.get('quantization')} {settings.get('optimizer')} {(step['quantization'] or {}).get('method')}"
    wanted = {
        "trl": bool(step["training"]) and trainer not in (*_OF_ENCODERS, "classifier"),
        "peft": not step["quantization"],
        "sentence-transformers": trainer in _OF_ENCODERS,
        "setfit": trainer == "setfit",
        "bitsandbytes": "bnb" in method or "8bit" in method,
        "torchao": "torchao" in method,
    }
    return [name for name in _PACKAGES if wanted.get(name, True)]


def _gpu(gpu: Any) -> str:
    return str(gpu.get("name") or gpu) if isinstance(gpu, Mapping) else str(gpu)
