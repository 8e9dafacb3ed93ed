"""The metrics of two columns of labels, through scikit-learn: accuracy, precision, recall, F1.

Contract: they are those of scikit-learn with `zero_division=0`: a label that was never predicted has a precision of 0,
one that never was right a recall of 0. With lists of labels a row is accurate when its labels are all there and no
other.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.evaluation.candidates import Candidate
from dreamsmk.tasks.evaluation.catalogue import AVERAGES, of_family
from dreamsmk.tasks.evaluation.cells import Cells, read_cells, required
from dreamsmk.tasks.evaluation.label_pairs import Label, LabelPairs, label_pairs
from dreamsmk.tasks.evaluation.measured import Measured, Measurement, Work, positions, spread

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from dreamsmk.tasks.evaluation.measured import RowNumbers

# in the order in which scikit-learn gives them
KINDS = ("precision", "recall", "f1")


def read_labels(context: Context, candidate: Candidate) -> tuple[Cells, LabelPairs]:
    """Reads the labels of a candidate."""
    references = required("references", context.params["references"], "a metric of labels")
    predictions = required("predictions", candidate.predictions, "a metric of labels")
    cells = read_cells(context, candidate, [references, predictions])
    return cells, label_pairs(cells, references, predictions, candidate)


def prepare_labels(context: Context, candidate: Candidate) -> Work:
    """Reads the labels of a candidate, and returns what measures them."""
    metrics = of_family(context.params["metrics"], "labels")
    cells, pairs = read_labels(context, candidate)
    averages = Averages(pairs, _given_labels(context.params["labels"], pairs))
    place = positions(cells.covered)

    def measured(names: Sequence[str], values: Callable[[RowNumbers], Sequence[float]]) -> Measured:
        return Measured(tuple(names), cells.covered, lambda rows: values(pairs.pair_of[place[rows]]))

    def work() -> Measurement:
        found = []
        beside: dict[str, pl.Series] = {}
        if "accuracy" in metrics:
            right = _is_right(pairs)
            found.append(measured(["accuracy"], lambda drawn: [float(right[drawn].mean())]))
            beside["accuracy"] = spread(right[pairs.pair_of], cells.covered)
        for average in AVERAGES:
            if kinds := [kind for kind in KINDS if f"{kind}_{average}" in metrics]:
                found.append(measured([f"{kind}_{average}" for kind in kinds], averages.of(average, kinds)))
        return Measurement(found, beside)

    return work


class Averages:
    """Precision, recall and F1 over labels.

    Args:
        pairs: The pairs of labels that occur.
        labels: The labels to average over; None for those that occur in the rows that are asked about.
    """

    def __init__(self, pairs: LabelPairs, labels: Sequence[Label] | None) -> None:
        import numpy as np

        self._number_of = {label: number for number, label in enumerate([*pairs.labels, *(labels or ())])}
        self._asked = None if labels is None else np.array([self._number_of[label] for label in labels])
        self._is_multi = pairs.is_multi
        self._right, self._predicted = (self._coded(side) for side in (pairs.references, pairs.predictions))

    def of(self, average: str, kinds: Sequence[str]) -> Callable[[RowNumbers], list[float]]:
        """Returns the function from rows, each the number of its pair, to the values of some of `KINDS`."""
        return lambda rows: self._scores(rows, average, kinds)

    def _scores(self, rows: RowNumbers, average: str, kinds: Sequence[str]) -> list[float]:
        import numpy as np
        from sklearn.metrics import precision_recall_fscore_support

        # a pair counts as often as it occurs: a pass over few pairs instead of many rows
        counts = np.bincount(rows, minlength=len(self._right))
        there = counts.nonzero()[0]
        right, predicted = self._right[there], self._predicted[there]
        asked = self._asked
        if asked is None and self._is_multi:
            asked = np.flatnonzero((right | predicted).any(axis=0))
        if asked is not None and not asked.size:
            return [0.0] * len(kinds)  # no row has a label, in either column
        with warnings.catch_warnings():
            # it takes labels of which each occurs once for numbers that should not be labels
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            found = precision_recall_fscore_support(
                right, predicted, labels=asked, average=average, sample_weight=counts[there], zero_division=0.0
            )
        return [float(found[KINDS.index(kind)]) for kind in kinds]

    def _coded(self, side: Sequence[tuple[Label, ...]]) -> npt.NDArray[np.int64]:
        import numpy as np

        numbers = [[self._number_of[label] for label in labels] for labels in side]
        if not self._is_multi:
            return np.array([number for (number,) in numbers], dtype=np.int64)
        # a column more than labels: scikit-learn takes a single one for two classes
        coded = np.zeros((len(side), len(self._number_of) + 1), dtype=np.int64)
        for row, columns in enumerate(numbers):
            coded[row, columns] = 1
        return coded


def _is_right(pairs: LabelPairs) -> npt.NDArray[np.float64]:
    import numpy as np

    return np.array([float(a == b) for a, b in zip(pairs.references, pairs.predictions, strict=True)])


def _given_labels(given: Sequence[str | int], pairs: LabelPairs) -> list[Label] | None:
    """Returns the labels of the parameter, as the columns have them.

    Raises:
        SettingsError: They are of another type.
    """
    import polars as pl

    is_text = pairs.dtype == pl.String()
    labels: list[Label] = [str(label) if is_text else label for label in given]
    is_other = pairs.dtype == pl.Boolean() or (not is_text and any(isinstance(label, str) for label in labels))
    if labels and is_other:
        raise SettingsError(f"the labels of the rows are of type {pairs.dtype}", where="params.labels")
    return labels or None
