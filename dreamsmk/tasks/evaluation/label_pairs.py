"""Two columns of labels, what is right and what was predicted, as the pairs that occur.

Contract: labels are texts, whole numbers or booleans, or lists of them (several labels a row, whose order and
repetitions do not count). Where one column has numbers and the other texts, as a model writes them, both are compared
as texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dreamsmk.errors import TableError
from dreamsmk.tasks.evaluation.candidates import Candidate
from dreamsmk.tasks.evaluation.cells import Cells

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

Label = str | int | bool


@dataclass(frozen=True, slots=True)
class LabelPairs:
    """The pairs of right and predicted labels of a table.

    Attributes:
        references: The right labels of each pair, in order; one, unless the columns hold lists.
        predictions: The predicted labels of each pair.
        pair_of: For each row that counts its pair.
        is_multi: Whether the columns hold lists.
        dtype: The type of a label.
    """

    references: list[tuple[Label, ...]]
    predictions: list[tuple[Label, ...]]
    pair_of: npt.NDArray[np.int64]
    is_multi: bool
    dtype: pl.DataType

    @property
    def labels(self) -> list[Label]:
        """All labels that occur, sorted."""
        return sorted({label for side in (self.references, self.predictions) for labels in side for label in labels})


def label_pairs(cells: Cells, references: str, predictions: str, candidate: Candidate) -> LabelPairs:
    """Returns the pairs of two columns.

    Raises:
        TableError: A column holds no labels, or one holds lists and the other does not.
    """
    import numpy as np
    import polars as pl

    right, predicted = cells.columns[references], cells.columns[predictions]
    lists = [name for name in (references, predictions) if isinstance(cells.columns[name].dtype, pl.List)]
    if len(set(lists)) == 1 and references != predictions:
        raise TableError(
            f"the column {lists[0]!r} holds lists of labels, and the other single ones", where=str(candidate.table)
        )
    dtype = _common_type([_label_type(column, candidate) for column in (right, predicted)], candidate)
    is_multi = bool(lists)
    sides = [_label_sets(column.cast(pl.List(dtype) if is_multi else dtype)) for column in (right, predicted)]
    number_of: dict[tuple[tuple[Label, ...], tuple[Label, ...]], int] = {}
    pair_of = [number_of.setdefault(pair, len(number_of)) for pair in zip(*sides, strict=True)]
    return LabelPairs(
        [pair[0] for pair in number_of],
        [pair[1] for pair in number_of],
        np.array(pair_of, dtype=np.int64),
        is_multi=is_multi,
        dtype=dtype,
    )


def _label_sets(column: pl.Series) -> list[tuple[Label, ...]]:
    return [
        tuple(sorted({one for one in cell if one is not None})) if isinstance(cell, list) else (cell,)
        for cell in column.to_list()
    ]


def _label_type(column: pl.Series, candidate: Candidate) -> pl.DataType:
    import polars as pl

    dtype = column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return pl.String()
    if dtype.is_integer() or dtype == pl.Boolean:
        return pl.Int64() if dtype.is_integer() else pl.Boolean()
    raise TableError(
        f"the column {column.name!r} is of type {column.dtype}, and labels are texts or whole numbers",
        where=str(candidate.table),
    )


def _common_type(types: Sequence[pl.DataType], candidate: Candidate) -> pl.DataType:
    import polars as pl

    if pl.String() in types:
        return pl.String()
    if types[0] != types[1]:
        raise TableError(
            f"labels of type {types[0]} cannot be compared with labels of type {types[1]}", where=str(candidate.table)
        )
    return types[0]
