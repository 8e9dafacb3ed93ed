"""The confusion matrix, as a table: how often each label was predicted for each.

Contract: single labels give a row for every pair of labels that occur, also where they never met; lists of labels a
small matrix for each label, of whether it is right and whether it was predicted.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TableError
from dreamsmk.tasks.evaluation.candidates import NAME, Candidate
from dreamsmk.tasks.evaluation.label_pairs import Label, LabelPairs
from dreamsmk.tasks.evaluation.measured import positions
from dreamsmk.tasks.evaluation.scores import Group

if TYPE_CHECKING:
    import polars as pl

    from dreamsmk.tasks.evaluation.cells import Cells


def confusion_frame(
    candidates: Sequence[Candidate],
    read: Sequence[tuple[Cells, LabelPairs]],
    groups: Sequence[Sequence[Group]],
    by: Mapping[str, pl.DataType],
) -> pl.DataFrame:
    """Returns the matrices of all candidates and groups, one after the other.

    Args:
        candidates: What is compared.
        read: The labels of each.
        groups: The groups of each.
        by: The columns of `by` with their types.

    Raises:
        TableError: The labels of the candidates are of different types.
    """
    import polars as pl

    check_types(candidates, [pairs for _, pairs in read])
    has_names = candidates[0].name is not None
    first = read[0][1]
    kinds = (
        {"label": first.dtype, "reference": pl.Boolean(), "prediction": pl.Boolean()}
        if first.is_multi
        else {"reference": first.dtype, "prediction": first.dtype}
    )
    labels = sorted({label for _, pairs in read for label in pairs.labels})
    rows = [
        (*([candidate.name] * has_names), *(group.values or (None,) * len(by)), *cells)
        for candidate, (known, pairs), found in zip(candidates, read, groups, strict=True)
        for group in found
        for cells in _matrix(pairs, positions(known.covered)[group.rows[known.covered[group.rows]]], labels)
    ]
    names = {NAME: pl.String()} if has_names else {}
    return pl.DataFrame(rows, schema={**names, **by, **kinds, "rows": pl.Int64()}, orient="row")


def check_types(candidates: Sequence[Candidate], pairs: Sequence[LabelPairs]) -> None:
    """Checks that the matrices of candidates have columns of the same types."""
    for candidate, one in zip(candidates, pairs, strict=True):
        if (one.dtype, one.is_multi) != (pairs[0].dtype, pairs[0].is_multi):
            raise TableError(
                f"the labels are of type {one.dtype}, and those of {candidates[0].said} of type {pairs[0].dtype}",
                where=candidate.said,
            )


# Any: cells.
def _matrix(pairs: LabelPairs, rows: Any, labels: Sequence[Label]) -> Iterable[tuple[Any, ...]]:
    counts = Counter(pairs.pair_of[rows].tolist())
    met = [(pairs.references[number], pairs.predictions[number], count) for number, count in counts.items()]
    if pairs.is_multi:
        for label in labels:
            of_label: Counter[tuple[bool, bool]] = Counter()
            for right, predicted, count in met:
                of_label[label in right, label in predicted] += count
            for right_too, predicted_too in itertools.product((False, True), repeat=2):
                yield label, right_too, predicted_too, of_label[right_too, predicted_too]
        return
    single = {(right[0], predicted[0]): count for right, predicted, count in met}
    for one, other in itertools.product(labels, repeat=2):
        yield one, other, single.get((one, other), 0)
