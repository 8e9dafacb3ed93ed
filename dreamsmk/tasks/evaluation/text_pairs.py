"""What the metrics of texts take and leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamsmk.tasks.evaluation.measured import Sums


@dataclass(frozen=True, slots=True)
class TextPairs:
    """What was written, and the right answers to it, row by row."""

    predictions: list[str]
    references: list[list[str]]


@dataclass(frozen=True, slots=True)
class Counted:
    """What one pass over the texts leaves.

    Attributes:
        metrics: What is worked out of it.
        statistics: Numbers of each row, of shape (rows, numbers), whose sums decide the values.
        finish: Makes the value of each metric of the sums and the number of rows.
        by_row: The value of each row by itself, of shape (rows, metrics).
    """

    metrics: Sequence[str]
    statistics: Sums
    finish: Callable[[Sums, int], Sequence[float]]
    by_row: Sums


def averaged(metrics: Sequence[str], by_row: Sequence[Sequence[float]]) -> Counted:
    """Returns metrics whose value is the mean of what the rows score by themselves."""
    import numpy as np

    scores = np.array(by_row, dtype=np.float64).reshape(len(by_row), len(metrics))
    return Counted(metrics, scores, lambda sums, rows: (sums / rows).tolist(), scores)
