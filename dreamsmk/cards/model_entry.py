"""What the model of a card is: its kind, what loads it, what it was made from, and what the Hub calls all that.

Contract: the folder's own files have the first word on what it is, the record of its making the second; what neither
says is null. A base model has a name on the Hub only where its id was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.cards.description import View, is_model_role
from dreamsmk.cards.lineage import Steps, adapter_of, begins_with, is_made_here, lineage, origin
from dreamsmk.cards.model_folder import ModelFolder
from dreamsmk.cards.trace import Target, Trace

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")

# What a trainer leaves where no folder tells: kind and library.
_OF_TRAINER = {
    "classifier": ("classifier", "transformers"),
    "reward_model": ("reward", "transformers"),
    "embedding_model": ("embedding", "sentence-transformers"),
    "setfit": ("setfit", "setfit"),
    "openai_fine_tune": ("service", None),
}
# What an adapter is merged into at the end of the training.
_ALWAYS_WHOLE = frozenset({"embedding_model", "setfit"})
_OF_HEAD = {"CAUSAL_LM": "causal", "SEQ_2_SEQ_LM": "seq2seq", "SEQ_CLS": "classifier"}
_OF_LIBRARY = {"setfit": "setfit", "sentence-transformers": "embedding"}
# The Hub has no task for sequence-to-sequence models of their own any more.
_TASKS = {
    "causal": "text-generation",
    "seq2seq": "text-generation",
    "classifier": "text-classification",
    "reward": "text-classification",
    "setfit": "text-classification",
    "embedding": "sentence-similarity",
    "service": "text-generation",
}
_ADAPTERS = {"lora": "LoRA", "dora": "DoRA", "rslora": "rsLoRA"}


def is_model_target(trace: Trace, target: Target) -> bool:
    """Says whether a target is a model: a folder, or the file of one at a service."""
    facts = trace.step(target.fingerprint).facts
    if target.output["kind"] == "table":
        return False
    if (facts.get("source") or {}).get("kind") == "model":
        return True
    is_role, was_made = is_model_role(target.role), any(name in facts for name in ("training", "merge", "quantization"))
    return (is_role or was_made) if target.output["kind"] == "folder" else (is_role and was_made)


def model_target(trace: Trace) -> Target | None:
    """Returns the first target that is a model."""
    return next((target for target in trace.targets if is_model_target(trace, target)), None)


def is_hub_id(name: str, path: str | None = None) -> bool:
    """Whether a name can be a repository on the Hub: `owner/name`, and no folder of the workflow."""
    return path != name and _HUB_ID.fullmatch(name) is not None


# Any (in the rest of this file): JSON of a card.
def model_entry(view: View, steps: Steps, targets: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Returns what a card says of its model; None where none of its targets is one.

    Args:
        view: The trace, and what folders say of themselves.
        steps: The steps of the card.
        targets: Its targets, in the order of the trace's.
    """
    pairs = zip(view.trace.targets, targets, strict=True)
    found = next((shown for target, shown in pairs if is_model_target(view.trace, target)), None)
    if found is None:
        return None
    step, folder = steps[found["step"] - 1], view.folders.get(found["fingerprint"])
    stages = lineage(steps, step["step"])
    training: Mapping[str, Any] = next((t for n in reversed(stages) if (t := steps[n - 1]["training"])), {})
    kind, library = _kind(training, folder, steps, stages)
    base = begins_with(step)
    adapter = _adapter(step, folder)
    ids, relation = _on_hub(steps, step, stages, is_adapter=adapter is not None)
    return {
        "step": step["step"],
        "path": found["path"],
        "kind": kind,
        "library": "peft" if adapter and library in ("transformers", None) else library,
        "task": _TASKS.get(kind or ""),
        "adapter": adapter,
        "base": _base(steps, base) if base else None,
        "base_on_hub": ids,
        "relation": relation,
        "lineage": stages,
        "labels": [] if kind == "reward" else list(folder.labels if folder else training.get("labels") or ()),
        "is_multi_label": folder.is_multi_label if folder and kind == "classifier" else None,
        "is_chat": _is_chat(steps, stages, folder),
        "reads_pairs": folder.reads_pairs if folder else None,
        "quantization": _quantization(step, folder),
        "prompts": list(folder.prompts) if folder else [],
        "file": folder.file if folder else None,
        "service": _service(step),
    }


def _kind(
    training: Mapping[str, Any], folder: ModelFolder | None, steps: Steps, stages: Sequence[int]
) -> tuple[str | None, str | None]:
    """Returns the kind of a model and the library that loads it."""
    trainer = training.get("trainer")
    if folder is not None:
        kind = _OF_LIBRARY.get(folder.library) or _OF_HEAD.get(folder.head or "")
        return ("reward" if kind == "classifier" and trainer == "reward_model" else kind), folder.library
    if trainer in _OF_TRAINER:
        return _OF_TRAINER[str(trainer)]
    merged: Mapping[str, Any] = next((m for n in reversed(stages) if (m := steps[n - 1]["merge"])), {})
    if training:
        return "causal", "transformers"
    return _OF_HEAD.get(str(merged.get("task_type"))), "transformers"


def _adapter(step: Mapping[str, Any], folder: ModelFolder | None) -> str | None:
    """Returns what kind of adapter a step left; None for a whole model."""
    if folder is not None:
        return folder.adapter
    training = step["training"] or {}
    return None if training.get("trainer") in _ALWAYS_WHOLE else _ADAPTERS.get(str(training.get("method")))


def _base(steps: Steps, base: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the model that a training, a merge or a quantization began with."""
    names = ("name", "path", "revision", "made_by", "adapter", "adapter_made_by", "url", "license")
    return {**{name: base[name] for name in names}, "origin": origin(steps, base)["name"]}


def _on_hub(
    steps: Steps, step: Mapping[str, Any], stages: Sequence[int], *, is_adapter: bool
) -> tuple[list[str], str | None]:
    """Returns the ids of the base models on the Hub, and how the model is related to them in the Hub's words."""
    base = begins_with(step)
    if base is None:
        return [], None
    start = origin(steps, base)
    ids = [start["name"]] if is_hub_id(start["name"], start["path"]) else []
    if not ids:
        return [], None
    changed = is_made_here(steps, base)
    if is_adapter:
        # the Hub puts an adapter on the model that it names; on an ancestor of its base it would do something else
        return ids, "finetune" if changed else "adapter"
    adapter = adapter_of(step)
    if step["merge"] and adapter and adapter[1] is None and not changed and is_hub_id(adapter[0]):
        return [*ids, adapter[0]], "merge"
    is_quantized_alone = all(steps[number - 1]["quantization"] for number in stages)
    return ids, "quantized" if is_quantized_alone else "finetune"


def _is_chat(steps: Steps, stages: Sequence[int], folder: ModelFolder | None) -> bool | None:
    """Says whether a model is asked through a chat template: as it was trained, where its tokenizer has one."""
    trained = [steps[number - 1] for number in stages if steps[number - 1]["training"]]
    base = begins_with(trained[-1]) if trained else None
    options = (base["identity"].get("options") or {}) if base else {}
    if options.get("chat") is False or (trained and trained[-1]["params"].get("text")):
        return False
    return folder.has_chat_template if folder else None


def _quantization(step: Mapping[str, Any], folder: ModelFolder | None) -> str | None:
    told = (step["quantization"] or {}).get("method")
    return str(told) if told else folder.quantization if folder else None


def _service(step: Mapping[str, Any]) -> dict[str, str] | None:
    training = step["training"] or {}
    if training.get("trainer") != "openai_fine_tune" or not training.get("model"):
        return None
    return {"provider": "openai", "model": str(training["model"])}
