"""Labels of a classification: which there are, and which of them each row has.

Contract: the labels are those of the rows that are learnt from, sorted (numbers by value, texts by code point), so that
no order of rows changes a model. A label that only validation rows have is an error that names the rows: the model
could never give it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dreamsmk.errors import TableError, TrainingError
from dreamsmk.tables import read_table, require_columns
from dreamsmk.tasks.training.rows.examples import rows_in_words

Label = int | str | bool


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labels of a table's rows.

    Attributes:
        rows: Those of each row.
        is_multi: Whether a row may have several, or none.
        where: The table.
    """

    rows: Sequence[tuple[Label, ...]]
    is_multi: bool
    where: str


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels that a model learns, in the order of its logits."""

    labels: tuple[Label, ...]
    is_multi: bool

    @classmethod
    def of(cls, learnt: Labelled) -> LabelSet:
        """Returns the labels of rows to learn from.

        Raises:
            TrainingError: There are fewer than two.
        """
        found = tuple(sorted({label for row in learnt.rows for label in row}, key=lambda label: (label, str(label))))
        if len(found) < (1 if learnt.is_multi else 2):
            raise TrainingError(
                f"the rows have {len(found)} labels, and there is nothing to tell apart",
                where=learnt.where,
                hint="a classifier needs rows of two labels at least",
            )
        return cls(found, learnt.is_multi)

    @property
    def names(self) -> dict[int, str]:
        """The name of each logit, as a model's config has it."""
        return {index: str(label) for index, label in enumerate(self.labels)}

    @property
    def problem_type(self) -> str:
        """What transformers calls the problem."""
        return "multi_label_classification" if self.is_multi else "single_label_classification"

    def targets(self, rows: Labelled) -> list[int] | list[list[float]]:
        """Returns what each row's logits are compared with: the index of its label, or one 0 or 1 a label.

        Raises:
            TrainingError: A row has a label that is not learnt.
        """
        index = {label: i for i, label in enumerate(self.labels)}
        unseen = [row for row, labels in enumerate(rows.rows) if not index.keys() >= set(labels)]
        if unseen:
            missing = sorted({str(label) for row in unseen for label in rows.rows[row] if label not in index})
            raise TrainingError(
                f"{len(unseen)} rows have labels that no row to learn from has: {', '.join(missing[:5])}",
                where=f"{rows.where}, {rows_in_words(unseen)}",
                hint="leave them out, or put rows of these labels among those to learn from",
            )
        if not self.is_multi:
            return [index[labels[0]] for labels in rows.rows]
        return [[float(label in labels) for label in self.labels] for labels in map(set, rows.rows)]


def read_labels(path: Path, column: str) -> Labelled:
    """Returns the labels of a column of whole numbers, texts or truth values, or of lists of them.

    Raises:
        TableError: There is no such column, it is of another type, or a row has no value.
    """
    import polars as pl

    require_columns(path, [column])
    values = read_table(path, columns=[column])[column]
    is_multi = isinstance(values.dtype, pl.List)
    single = values.explode(keep_nulls=False) if is_multi and values.len() else values
    kind = single.dtype.inner if isinstance(single.dtype, pl.List) else single.dtype
    if not (kind.is_integer() or kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null)):
        raise TableError(
            f"the column {column!r} is of type {values.dtype}",
            where=str(path),
            hint="labels are whole numbers, texts or truth values, or lists of them for several a row",
        )
    missing = [row for row, value in enumerate(values.to_list()) if _lacks(value)]
    if missing:
        raise TableError(f"the column {column!r} has empty cells", where=f"{path}, {rows_in_words(missing)}")
    listed = values.cast(pl.List(pl.String) if is_multi else pl.String) if kind in (pl.Categorical, pl.Enum) else values
    rows = [tuple(value) if is_multi else (value,) for value in listed.to_list()]
    return Labelled(rows, is_multi, str(path))


def _lacks(value: object) -> bool:
    return value is None or (isinstance(value, list) and any(inner is None for inner in value))
