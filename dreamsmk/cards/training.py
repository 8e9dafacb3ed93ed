"""The section of a card on training: what was trained, with which values, and how the loss went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.cards.markup import code, escaped, folded, number, table

_LONGEST_HISTORY = 25
_TITLES = {
    "method": "Method",
    "epochs": "Epochs",
    "steps": "Steps",
    "train_rows": "Rows to learn from",
    "validation_rows": "Rows to validate on",
    "tokens": "Tokens",
    "trainable_parameters": "Parameters trained",
    "total_parameters": "Parameters in all",
    "first_loss": "First loss",
    "final_loss": "Final loss",
}


# Any: JSON.
def training_section(card: Mapping[str, Any]) -> str:
    """Returns the section; empty where nothing was trained."""
    parts = [_training(training) for training in card["training"]]
    return "## Training\n\n" + "\n\n".join(parts) if parts else ""


# Any: JSON.
def _training(training: Mapping[str, Any]) -> str:
    rows = [[title, _value(training[name])] for name, title in _TITLES.items() if training.get(name) is not None]
    rows += _validation(training.get("eval_loss"))
    parts = [f"Step {training['step']}, **{escaped(training['name'])}**:", table(["", ""], rows)]
    settings = training.get("hyper_parameters") or {}
    if settings:
        body = table(["Hyper-parameter", "Value"], [[code(name), _value(value)] for name, value in settings.items()])
        parts.append(folded("Hyper-parameters", body))
    if training.get("loss_history"):
        parts.append(folded("How the loss went", _history(training["loss_history"])))
    return "\n\n".join(parts)


# Any: JSON.
def _validation(losses: object) -> list[list[str]]:
    """Returns the loss on the validation rows before and after, from a list of `{step, eval_loss}`."""
    if not isinstance(losses, list) or not losses:
        return []
    first, last = losses[0], losses[-1]
    rows = [["Validation loss, last", f"{_value(last.get('eval_loss'))} (step {last.get('step')})"]]
    if len(losses) > 1:
        rows.insert(0, ["Validation loss, first", f"{_value(first.get('eval_loss'))} (step {first.get('step')})"])
    return rows


# Any: JSON.
def _history(history: Sequence[Mapping[str, Any]]) -> str:
    """Returns the loss step by step, thinned out evenly; the first and the last step always stay."""
    stride = max(1, -(-(len(history) - 1) // (_LONGEST_HISTORY - 1)))
    shown = [row for i, row in enumerate(history) if i % stride == 0 or i == len(history) - 1 or row.get("eval_loss")]
    names = [
        name for name in ("step", "epoch", "loss", "eval_loss", "learning_rate") if any(name in row for row in shown)
    ]
    body = table(names, [[_value(row.get(name)) for name in names] for row in shown], right=range(len(names)))
    return body if stride == 1 else f"{body}\n\nEvery {stride}th of {number(len(history))} steps."


# Any: JSON.
def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, (int, float)):
        return number(value)
    return code(json.dumps(value, ensure_ascii=False))
