"""How the loss of a training went, and its other numbers, as tables of a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.cards.markup import escaped, folded, number, table

_LONGEST = 25
_EVAL = "eval_"
_POSITION = ("step", "epoch")
# Further columns of a history that are no metrics.
_NO_METRICS = frozenset({*_POSITION, "tokens", "learning_rate"})

# Any (in this file): JSON of a card; numbers of a history.
Rows = Sequence[Mapping[str, Any]]


def validations(training: Mapping[str, Any]) -> str:
    """Returns what was measured on the validation rows; empty where there were none."""
    rows = [row for row in training.get("loss_history") or () if _measured(row)]
    rows = rows or [dict(row) for row in training.get("eval_loss") or ()]
    names = [name for name in _names(rows) if name.startswith(_EVAL)]
    if not names:
        return ""
    body = _table(rows, [*_POSITION, *names], kept=training.get("kept_step"))
    return f"On the validation rows:\n\n{body}"


def loss_history(training: Mapping[str, Any]) -> str:
    """Returns a fold with the loss step by step, and what else a trainer logged; empty where it is not known."""
    rows = [row for row in training.get("loss_history") or () if not _is_validation_alone(row)]
    metrics = [name for name in _names(rows) if name not in _NO_METRICS and not name.startswith(_EVAL)]
    if not rows or not metrics:
        return ""
    return folded("How the loss went", _table(rows, [*_POSITION, *metrics, "learning_rate"]))


def _table(rows: Rows, names: Sequence[str], *, kept: int | None = None) -> str:
    """Returns the rows, thinned out evenly; the first, the last and the one that was kept always stay."""
    stride = max(1, -(-(len(rows) - 1) // (_LONGEST - 1)))
    last = len(rows) - 1
    shown = [row for i, row in enumerate(rows) if i % stride == 0 or i == last or row.get("step") == kept]
    found = [name for name in names if any(row.get(name) is not None for row in shown)]
    lines = [["" if row.get(name) is None else number(row[name]) for name in found] for row in shown]
    body = table([escaped(name.removeprefix(_EVAL)) for name in found], lines, right=range(len(found)))
    return body if stride == 1 else f"{body}\n\n{len(shown)} of {number(len(rows))} rows."


def _names(rows: Rows) -> list[str]:
    """Returns the columns that have a value, in order."""
    return list(dict.fromkeys(name for row in rows for name, value in row.items() if value is not None))


def _measured(row: Mapping[str, Any]) -> bool:
    return any(name.startswith(_EVAL) and value is not None for name, value in row.items())


def _is_validation_alone(row: Mapping[str, Any]) -> bool:
    metrics = [name for name, value in row.items() if value is not None and name not in _NO_METRICS]
    return bool(metrics) and all(name.startswith(_EVAL) for name in metrics)
