"""The first rows of a model's card: what it is, what it was made from, on how much data, and how large it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.cards.how_it_ran import hardware
from dreamsmk.cards.markup import code, escaped, number
from dreamsmk.cards.training import deed

_KINDS = {
    "causal": "language model",
    "seq2seq": "sequence-to-sequence model",
    "classifier": "text classifier",
    "reward": "reward model",
    "embedding": "embedding model",
    "setfit": "SetFit text classifier",
    "service": "language model of a service",
}
_MOST_LABELS = 12


# Any (in this file): JSON of a card.
def model_rows(card: Mapping[str, Any]) -> list[list[str]]:
    """Returns the rows; none for data."""
    model = card["model"]
    if model is None:
        return []
    step = card["steps"][model["step"] - 1]
    facts = step["training"] or step["merge"] or {}
    rows = [["**Kind**", escaped(_kind(model))]]
    if model["service"]:
        rows.append(["**Name at the service**", code(model["service"]["model"])])
    if model["base"]:
        rows.append(["**Made from**", _made_from(card)])
    total, trained = facts.get("total_parameters"), facts.get("trainable_parameters")
    if total:
        is_part = trained is not None and trained != total
        share = f", {number(trained)} of them trained ({100 * (trained or 0) / total:.2g} %)" if is_part else ""
        rows.append(["**Parameters**", f"{number(total)}{share}"])
    if model["labels"]:
        rows.append(["**Labels**", _labels(model)])
    if trained_on := [one for number_ in model["lineage"] if (one := card["steps"][number_ - 1])["training"]]:
        rows.append(["**Trained on**", _data(trained_on[-1])])
        if not model["service"] and (where := hardware(trained_on[-1])):
            rows.append(["**Hardware**", escaped(where)])
    return [row for row in rows if row[1]]


def _kind(model: Mapping[str, Any]) -> str:
    what = _KINDS.get(model["kind"] or "", "model")
    if model["adapter"]:
        return f"{what}: adapter ({model['adapter']})"
    quantized = f", quantized ({model['quantization']})" if model["quantization"] else ""
    return what if model["service"] else f"{what}: whole model{quantized}"


def _made_from(card: Mapping[str, Any]) -> str:
    """Returns what the model began with at the very start, and what was done to it since."""
    model, steps = card["model"], card["steps"]
    deeds = [f"{deed(steps[here - 1])} (step {here})" for here in model["lineage"]]
    shown = deeds if len(deeds) <= 6 else [*deeds[:2], "…", *deeds[-3:]]
    return escaped(", ".join([model["base"]["origin"], *shown]))


def _labels(model: Mapping[str, Any]) -> str:
    labels = model["labels"]
    rest = f", … ({number(len(labels))} in all)" if len(labels) > _MOST_LABELS else ""
    several = "; a text may have several" if model["is_multi_label"] else ""
    return f"{', '.join(map(escaped, labels[:_MOST_LABELS]))}{rest}{several}"


def _data(step: Mapping[str, Any]) -> str:
    tables = ", ".join(code(entry["path"]) for entry in step["inputs"].get("train") or ())
    rows = step["training"].get("train_rows")
    return f"{number(rows)} rows of {tables}" if rows and tables else tables
