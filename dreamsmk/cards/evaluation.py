"""The section of a card with scores, and the same scores as the Hub reads them.

Contract: both show what the tables of scores hold, and claim for the model of the card only those that are its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from dreamsmk.cards.markup import code, escaped, folded, number, table
from dreamsmk.cards.model_entry import is_hub_id
from dreamsmk.tasks.evaluation.catalogue import COUNTS, METRICS

_MOST_LINES = 30
# Counts that come with a metric; they are no scores.
_COUNTED = frozenset(name for names in COUNTS.values() for name in names)
# What the Hub calls metrics, where it is not what they are called here.
_ON_HUB = {
    **dict.fromkeys(("rouge1", "rouge2", "rougeL"), "rouge"),
    **{name: name.partition("_")[0] for name in METRICS if name.startswith(("precision_", "recall_", "f1_"))},
    "spearman": "spearmanr",
    "pearson": "pearsonr",
}
# What trainers measure on validation rows that says how good a model is, and not only how its training goes.
_VALIDATED = {
    "accuracy": "accuracy",
    "f1_macro": "F1 (macro)",
    "f1_micro": "F1 (micro)",
    "cosine_accuracy": "cosine accuracy",
    "spearman": "Spearman",
    "pearson": "Pearson",
}
_VALIDATED_KINDS = frozenset({"classifier", "reward", "embedding", "setfit"})


# Any (in this file): JSON of a card.
def evaluation_section(card: Mapping[str, Any]) -> str:
    """Returns the section; empty where nothing was measured."""
    parts = [_scores(card, scores) for scores in card["evaluations"]]
    return "## Evaluation\n\n" + "\n\n".join(parts) if parts else ""


def model_index(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the scores of the card's model as the Hub's `model-index`; empty where none are known."""
    results = [result for scores in card["evaluations"] if scores["is_own"] for result in _results(card, scores)]
    results += _validation(card)
    if not results:
        return []
    repo = card["stated"]["repo_id"]
    return [{"name": repo.partition("/")[2] or card["title"], "results": results}]


def _scores(card: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    names = list(dict.fromkeys(row["name"] for row in scores["rows"] if row["name"] is not None))
    header, lines = _by_name(scores, names) if names else _plain(scores)
    numbers = range(header.index("Metric") + 1, len(header))
    parts = [_caption(scores), table(header, lines[:_MOST_LINES], right=numbers)]
    if rest := lines[_MOST_LINES:]:
        parts.append(folded(f"{len(rest)} more", table(header, rest, right=numbers)))
    return "\n\n".join([*parts, *_notes(card, scores, names)])


def _caption(scores: Mapping[str, Any]) -> str:
    maker = scores["made_by"]
    how = f", measured by **{escaped(maker['name'])}** ({code(maker['task']['name'])})" if maker else ""
    tables = [f"{code(one['path'])}{_count(one['rows'])}" for one in scores["tables"]]
    paths = {one["path"] for one in scores["tables"]}
    sources = [_source(source) for source in scores["sources"] if source["path"] not in paths]
    on = f" on {' and '.join(tables)}" if tables else ""
    origin = f", which come{'s' if len(tables) == 1 else ''} from {', '.join(sources)}" if sources else ""
    return f"{code(scores['path'])}{how}{on}{origin}:"


def _count(rows: int | None) -> str:
    return "" if rows is None else f" ({number(rows)} rows)"


def _source(source: Mapping[str, Any]) -> str:
    return escaped(source["name"]) if source["path"] is None else code(source["path"])


def _plain(scores: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    groups = _groups(scores)
    has_intervals = any(row["low"] is not None for row in scores["rows"])
    header = [*map(escaped, groups), "Metric", "Score", *(["95 % interval"] if has_intervals else []), "Rows"]
    lines = []
    for row in scores["rows"]:
        interval = [_interval(row)] if has_intervals else []
        lines.append([*_cells(row, groups), _label(row), _value(row), *interval, number(row["rows"])])
    return header, lines


def _by_name(scores: Mapping[str, Any], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    groups = _groups(scores)
    found: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for row in scores["rows"]:
        found.setdefault((*_cells(row, groups), _label(row)), {})[row["name"]] = row
    heads = [f"**{escaped(n)}**" if n == scores["own_name"] else escaped(n) for n in names]
    lines = []
    for cells, by_name in found.items():
        rows = [by_name[name] for name in names if name in by_name]
        values = [_with_interval(by_name[name]) if name in by_name else "" for name in names]
        counts = list(dict.fromkeys(number(row["rows"]) for row in rows))
        lines.append([*cells, *values, counts[0] if len(counts) == 1 else " / ".join(number(r["rows"]) for r in rows)])
    return [*map(escaped, groups), "Metric", *heads, "Rows"], lines


def _notes(card: Mapping[str, Any], scores: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    notes = []
    if names and any(row["low"] is not None for row in scores["rows"]):
        notes.append("In brackets: 95 % intervals.")
    if scores["own_name"] is not None:
        notes.append(f"This model is **{escaped(scores['own_name'])}**.")
    elif card["kind"] == "model" and not scores["is_own"]:
        which = "which of these this model is" if names else "that these are scores of this model"
        notes.append(f"The records do not say {which}.")
    if scores["total_rows"] > len(scores["rows"]):
        notes.append(f"The first {len(scores['rows'])} of {number(scores['total_rows'])} scores.")
    signatures = (scores["made_by"] or {}).get("signatures") or {}
    notes += [f"{escaped(_name_of(metric))}: {code(text)}." for metric, text in signatures.items()]
    return [" ".join(notes)] if notes else []


def _groups(scores: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(column for row in scores["rows"] for column in row["group"]))


def _cells(row: Mapping[str, Any], groups: Sequence[str]) -> list[str]:
    return [escaped(row["group"].get(column, "all" if not row["group"] else "")) for column in groups]


def _name_of(metric: str) -> str:
    return METRICS[metric].label if metric in METRICS else metric.replace("_", " ")


def _label(row: Mapping[str, Any]) -> str:
    return escaped(_name_of(row["metric"]))


def _value(row: Mapping[str, Any]) -> str:
    return "–" if row["value"] is None else number(row["value"])


def _interval(row: Mapping[str, Any]) -> str:
    return "" if row["low"] is None else f"{number(row['low'])} – {number(row['high'])}"


def _with_interval(row: Mapping[str, Any]) -> str:
    return _value(row) if row["low"] is None else f"{_value(row)} [{number(row['low'])}, {number(row['high'])}]"


def _results(card: Mapping[str, Any], scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    own = [row for row in scores["rows"] if row["name"] == scores["own_name"] and not row["group"]]
    metrics = [
        _metric(row["metric"], row["value"], _name_of(row["metric"]))
        for row in own
        if row["value"] is not None and row["metric"] not in _COUNTED
    ]
    measured = scores["sources"] or [*scores["tables"], scores][:1]
    return [_result(card, measured, metrics)] if metrics else []


def _validation(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns what the training of the model measured on its validation rows, of the weights that were kept."""
    model = card["model"]
    if model is None or model["kind"] not in _VALIDATED_KINDS:
        return []
    step = card["steps"][model["step"] - 1]
    measured, validated = kept_validation(step["training"] or {}), step["inputs"].get("validation")
    metrics = [_metric(name, measured[name], said) for name, said in _VALIDATED.items() if name in measured]
    if not metrics or not validated:
        return []
    return [_result(card, validated, metrics, split="validation")]


def kept_validation(training: Mapping[str, Any]) -> dict[str, float]:
    """Returns what was measured on the validation rows of the weights that a training kept, by metric."""
    if training.get("validation"):
        return dict(training["validation"])
    rows = [row for row in training.get("loss_history") or () if any(_is_validated(name, row) for name in row)]
    kept = training.get("kept_step")
    at = next((row for row in rows if kept is not None and row["step"] == kept), rows[-1] if rows else {})
    return {name.removeprefix("eval_"): value for name, value in at.items() if _is_validated(name, at)}


def _is_validated(name: str, row: Mapping[str, Any]) -> bool:
    return name.startswith("eval_") and row[name] is not None


def _metric(name: str, value: float, said: str) -> dict[str, Any]:
    return {"type": _ON_HUB.get(name, name), "value": round(value, 4), "name": said}


def _result(
    card: Mapping[str, Any],
    measured: Sequence[Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]],
    *,
    split: str | None = None,
) -> dict[str, Any]:
    """Returns one entry of a `model-index`; `measured` are the data, each with a path or, from elsewhere, a name."""
    names = [str(entry.get("name") or entry["path"]) for entry in measured]
    is_id = len(names) == 1 and is_hub_id(names[0], measured[0]["path"])
    dataset = {
        "type": names[0] if is_id else "-".join(_slug(name) for name in names),
        "name": ", ".join(names),
        **({"split": split} if split else {}),
    }
    task = (card["model"] or {}).get("task") or "text-generation"
    return {"task": {"type": task}, "dataset": dataset, "metrics": [dict(metric) for metric in metrics]}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", PurePosixPath(name).stem.lower()).strip("-") or "unnamed"
