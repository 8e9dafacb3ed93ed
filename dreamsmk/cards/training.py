"""The section of a card on training: what was trained from what, on which data, with which values, and how it went.

Contract: the steps that made the weights of the card's model are told in their order, the last training in full; other
trainings, such as that of a reward model or of a model that wrote data, are told as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.cards.cells import title_of, value, value_of_unit
from dreamsmk.cards.history import loss_history, validations
from dreamsmk.cards.how_it_ran import how_it_ran
from dreamsmk.cards.lineage import adapter_of, begins_with, learnt_from
from dreamsmk.cards.markup import code, escaped, folded, number, table
from dreamsmk.cards.pieces import without_number

_MOST_LABELS = 50
_METHODS = {"full": "all weights", "lora": "LoRA", "dora": "DoRA", "rslora": "rsLoRA"}
# What a training did, by its trainer.
_DEEDS = {
    "fine_tune": "fine-tuned",
    "distill": "distilled",
    "dpo": "aligned by preferences with DPO",
    "kto": "aligned by judgements with KTO",
    "orpo": "aligned by preferences with ORPO",
    "reward_model": "trained to give rewards",
    "rlhf": "trained by rewards",
    "classifier": "trained to classify",
    "embedding_model": "trained to embed",
    "setfit": "trained to classify with SetFit",
    "openai_fine_tune": "fine-tuned at OpenAI",
}
_TITLES = {
    "algorithm": "Algorithm",
    "objective": "Learnt from",
    "reference": "Compared with",
    "loss": "Loss function",
    "rewards": "Rewards",
    "on_policy": "Share written by the student",
    "train_rows": "Rows to learn from",
    "validation_rows": "Rows to validate on",
    "epochs": "Epochs",
    "steps": "Steps",
    "tokens": "Tokens",
    "tokens_per_second": "Tokens a second",
    "trainable_parameters": "Parameters trained",
    "total_parameters": "Parameters in all",
    "first_loss": "First loss",
    "final_loss": "Final loss",
    "job": "Job",
    "dtype": "Number format",
    "answers_off": "Share by which answers are off",
}
# Told elsewhere in the card, or in another way.
_TOLD = frozenset(
    {
        *("base_model", "base_adapter", "trainer", "method", "model", "teacher", "labels", "hyper_parameters"),
        *("loss_history", "eval_loss", "validation", "steps_before_resuming", "kept_step", "processes", "nodes"),
        "task_type",
    }
)
_LAYOUT = ("input_label", "instruction_label", "separator")


# Any (in this file): JSON of a card.
def training_section(card: Mapping[str, Any]) -> str:
    """Returns the section; empty where nothing was trained, merged or quantized."""
    stages = card["model"]["lineage"] if card["model"] else []
    others = [training["step"] for training in card["training"] if training["step"] not in stages]
    parts = [_stages(card, stages)] if len(stages) > 1 else []
    # the last training, and what was done to its weights since
    trained = max((i for i, here in enumerate(stages) if card["steps"][here - 1]["training"]), default=0)
    parts += [_stage(card, here) for here in stages[trained:]]
    parts += [_folded(card, here) for here in reversed(stages[:trained])]
    if others:
        parts.append("Trained on the way; their weights are no part of this:" if stages else "Trained on the way:")
        parts += [_folded(card, here) for here in others]
    return "## Training\n\n" + "\n\n".join(parts) if parts else ""


def deed(step: Mapping[str, Any]) -> str:
    """Returns what a step did to the weights of a model, in a few words."""
    if step["merge"]:
        return "adapter merged into the weights"
    if step["quantization"]:
        return f"quantized with {step['quantization'].get('method')}"
    trainer = step["training"].get("trainer")
    return _DEEDS.get(str(trainer), "trained")


def _stages(card: Mapping[str, Any], stages: Sequence[int]) -> str:
    rows = []
    for here in stages:
        step = card["steps"][here - 1]
        made = ", ".join(code(output["path"]) for output in _models_of(step))
        rows.append([f"{here}. {escaped(step['name'])}", deed(step), _beginning(card, step), _learnt(step), made])
    said = f"Its weights were made in {len(stages)} steps:"
    return f"{said}\n\n{table(['Step', 'What was done', 'Begins with', 'Learns from', 'Makes'], rows)}"


def _stage(card: Mapping[str, Any], here: int) -> str:
    step = card["steps"][here - 1]
    return f"Step {here}, **{escaped(step['name'])}**: {deed(step)}.\n\n{_told(card, step)}"


def _folded(card: Mapping[str, Any], here: int) -> str:
    step = card["steps"][here - 1]
    return folded(f"Step {here}, {step['name']}: {deed(step)}", _told(card, step))


def _told(card: Mapping[str, Any], step: Mapping[str, Any]) -> str:
    training = step["training"] or {}
    facts = training or step["merge"] or step["quantization"]
    rows = [["Begins with", _beginning(card, step)]]
    rows += [[title_of(name), escaped(_model_name(model))] for name, model in learnt_from(step)]
    rows += _method(step)
    told = {**facts, "validation_rows": facts.get("validation_rows") or None}
    rows += [[title, value(told[name])] for name, title in _TITLES.items() if _is_told(told.get(name))]
    others = {name: found for name, found in facts.items() if name not in _TITLES and name not in _TOLD}
    rows += [[title_of(name), value_of_unit(name, found)] for name, found in others.items() if _is_told(found)]
    rows += how_it_ran(step)
    parts = [table(["", ""], rows), _data(step), _labels(training), validations(training), _hyper_parameters(step)]
    parts.append(loss_history(training))
    return "\n\n".join(part for part in parts if part)


def _beginning(card: Mapping[str, Any], step: Mapping[str, Any]) -> str:
    """Returns what a step began with: a model, an adapter, and the steps that made them."""
    base, adapter = begins_with(step), adapter_of(step)
    if base is None:
        return ""
    made = f" (step {base['made_by']})" if base["made_by"] else ""
    revision = f" at {base['revision']}" if base["revision"] else ""
    name = f"{escaped(base['name'] + revision)}{made}"
    if adapter is None:
        return name
    maker = f" of step {adapter[1]}" if adapter[1] else f" {code(adapter[0])}"
    return f"adapter{maker}, on {name}"


def _learnt(step: Mapping[str, Any]) -> str:
    tables = [
        code(without_number(entry["path"])) + ("" if entry["rows"] is None else f" ({number(entry['rows'])} rows)")
        for entry in step["inputs"].get("train") or ()
    ]
    models = [f"{title_of(name).lower()} {escaped(_model_name(model))}" for name, model in learnt_from(step)]
    return ", ".join([*tables, *models])


def _model_name(model: Mapping[str, Any]) -> str:
    adapter = f" with the adapter {model['adapter']}" if model["adapter"] else ""
    maker = model["adapter_made_by"] or model["made_by"]
    return f"{model['name']}{adapter}{f' (step {maker})' if maker else ''}"


def _models_of(step: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    outputs = step["outputs"]
    return [outputs["model"]] if "model" in outputs else [o for o in outputs.values() if o["kind"] == "folder"]


def _method(step: Mapping[str, Any]) -> list[list[str]]:
    training = step["training"]
    if not training or not training.get("method"):
        return []
    method = str(training["method"])
    lora = (training.get("hyper_parameters") or {}).get("lora")
    said = _METHODS.get(method, method)
    if isinstance(lora, Mapping) and method != "full":
        layers = lora.get("target_modules")
        named = "all linear layers" if layers == "all-linear" else layers
        on = named if isinstance(named, str) else ", ".join(named or ())
        said += f", rank {lora.get('r')}, alpha {lora.get('alpha')}, on {on}"
    return [["Method", escaped(said)]]


def _data(step: Mapping[str, Any]) -> str:
    """Returns the tables of a training with their digests."""
    rows = [
        [
            role,
            code(entry["path"]),
            number(entry["rows"]),
            code(entry["digest"]),
            f"step {entry['made_by']}" if entry["made_by"] else "",
        ]
        for role in ("train", "validation")
        for entry in step["inputs"].get(role) or ()
    ]
    return table(["Data", "Table", "Rows", "Fingerprint", "Made by"], rows, right=(2,)) if rows else ""


def _labels(training: Mapping[str, Any]) -> str:
    labels = training.get("labels") or []
    shown = ", ".join(code(label) if str(label).strip() else "(empty)" for label in labels[:_MOST_LABELS])
    rest = f", … and {number(len(labels) - _MOST_LABELS)} more, all in the JSON card" if labels[_MOST_LABELS:] else ""
    return f"Labels: {shown}{rest}." if labels else ""


def _hyper_parameters(step: Mapping[str, Any]) -> str:
    settings = (step["training"] or {}).get("hyper_parameters") or {}
    # prompts stand word for word in a section of their own, and steps in the place of epochs
    left_out = {*step["prompts"], *_LAYOUT, *(("epochs",) if settings.get("max_steps") else ())}
    rows = [[code(n), value(v)] for n, v in sorted(settings.items()) if v not in (None, [], {}) and n not in left_out]
    return folded("Hyper-parameters", table(["Hyper-parameter", "Value"], rows)) if rows else ""


def _is_told(found: object) -> bool:
    return found not in (None, []) and found is not False and not isinstance(found, Mapping)
