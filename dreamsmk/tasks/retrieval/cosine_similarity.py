"""How alike two columns are, row by row: the cosine of their vectors (`CosineSimilarity` in DataDreamer, ACL 2024).

Contract: rows stay in their order and keep their columns. A cosine is worked out in float64 and rounded to float32; it
is between -1 and 1. Where one of the two vectors is all zeros it has no direction, and the cosine is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.requests import Failure
from dreamsmk.tables import TableWriter, row_count, scan_table
from dreamsmk.tasks.batches import batches_of
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.naming import widened
from dreamsmk.tasks.prompting.generations import FAILURE, failure_text
from dreamsmk.tasks.retrieval.texts import Texts, batch_rows, counted_cut
from dreamsmk.tasks.retrieval.vector_column import holds_texts
from dreamsmk.tasks.retrieval.vectors import VectorStream, ask_vectors, matrix_of
from dreamsmk.tasks.unchanged import rows

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from dreamsmk.tasks.retrieval.vectors import Matrix

__all__ = ["columns", "cosine_similarity", "plan", "rows"]

SIMILARITY = "similarity"
_SIDES = ("a", "b")


def cosine_similarity(context: Context) -> None:
    """Writes the table with the cosine of each row."""
    import polars as pl

    params, source = context.params, context.input()
    types = dict(scan_table(source).collect_schema())
    names = widened(list(types), _added(params), params)
    assert names is not None
    asked = _ask(context)
    stream = None if asked is None else VectorStream(counted_cut(asked.outcomes(), context.facts))
    similarity, *failure = names[len(types) :]
    pairs, total, zeros = _Pairs(context, stream), row_count(source), 0
    added = {similarity: pl.Float32(), **dict.fromkeys(failure, pl.String())}
    with TableWriter(context.output(), columns=types | added) as table:
        for frame in batches_of(source, batch_rows(source)):
            left, right, present, reasons = pairs.next(frame, table.rows)
            cosines, is_zero = _cosines(left, right)
            zeros += int((present & is_zero).sum())
            column = pl.Series(similarity, cosines).zip_with(
                pl.Series(present & ~is_zero), pl.Series([None], dtype=pl.Float32)
            )
            table.write(frame.with_columns(column, *(pl.Series(name, reasons, dtype=pl.String) for name in failure)))
            if stream is None:
                context.progress.update(table.rows, total)
        if stream is not None:
            stream.finish()
    context.facts |= {"rows": table.rows, "zero_vectors": zeros}


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    asked = _ask(context)
    if asked is not None:
        yield asked


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table, and the new ones after them."""
    return {"table": widened(inputs.get("table"), _added(params), params)}


# Any: JSON.
def _added(params: Mapping[str, Any]) -> list[str]:
    return [SIMILARITY, FAILURE] if params["max_failures"] else [SIMILARITY]


def _ask(context: Context) -> Asked | None:
    """Returns what the model is asked: the texts of a row one after another; None where both columns hold vectors."""
    params, source = context.params, context.input()
    texts = [params[side] for side in _SIDES if holds_texts(source, params[side])]
    if not texts:
        return None
    if params["model"] is None:
        raise SettingsError(
            f"the column {texts[0]!r} holds texts, and there is no model for their vectors",
            where="params.model",
            hint="give one",
        )
    return ask_vectors(
        context.model(params["model"]),
        Texts(source, texts, keeps_nulls=params["nulls"] == "keep"),
        prefix=params["prefix"],
        truncate=params["truncate"],
        max_failures=params["max_failures"],
    )


class _Pairs:
    """The vectors of both columns, a batch of rows at a time.

    Args:
        context: The task's.
        stream: The vectors of the texts, those of a row one after another.
    """

    def __init__(self, context: Context, stream: VectorStream | None) -> None:
        self._source = context.input()
        self._columns = [context.params[side] for side in _SIDES]
        self._texts = [place for place in range(2) if holds_texts(self._source, self._columns[place])]
        self._keeps_nulls = context.params["nulls"] == "keep"
        self._stream = stream

    def next(self, frame: pl.DataFrame, first_row: int) -> tuple[Matrix, Matrix, NDArray[np.bool_], list[str | None]]:
        """Returns both matrices, with zeros where there is no vector, which rows have both, and why others failed."""
        import numpy as np

        present = np.stack([frame[name].is_not_null().to_numpy() for name in self._columns], axis=1)
        reasons: list[str | None] = [None] * frame.height
        sides: dict[int, Matrix] = {}
        if self._stream is not None:
            asked = present[:, self._texts]
            matrix, failures = self._stream.next_block(int(asked.sum()))
            found: NDArray[np.bool_] = asked.copy()
            found[asked] = [failure is None for failure in failures]
            present[:, self._texts] = found
            for row, failure in zip(np.argwhere(asked)[:, 0], failures, strict=True):
                if isinstance(failure, Failure):
                    reasons[row] = reasons[row] or failure_text(failure)
            side = np.broadcast_to(np.arange(len(self._texts)), found.shape)[found]
            for place, column in enumerate(self._texts):
                sides[column] = _spread(matrix[side == place], found[:, place])
        for column in {0, 1} - set(self._texts):
            values = frame[self._columns[column]]
            matrix, has = matrix_of(values, where=str(self._source), first_row=first_row)
            if not has.all() and not self._keeps_nulls:
                row = first_row + int(has.argmin())
                where = f"{self._source}, row {row} (from 0)"
                raise TableError(f"the column {values.name!r} has no vector", where=where)
            sides[column] = _spread(matrix, has)
        left, right = sides[0], sides[1]
        if not present.any(axis=0).all():  # none on one side, whose width says nothing then
            left, right = left[:, :0], right[:, :0]
        elif left.shape[1] != right.shape[1]:
            raise self._other_width(left, right, first_row)
        both: NDArray[np.bool_] = present[:, 0] & present[:, 1]
        return left, right, both, reasons

    def _other_width(self, left: Matrix, right: Matrix, first_row: int) -> TableError:
        return TableError(
            f"the vectors of {self._columns[0]!r} have {left.shape[1]} numbers, and those of {self._columns[1]!r} "
            f"{right.shape[1]}",
            where=f"{self._source}, row {first_row} (from 0)",
            hint="only vectors of the same model can be compared",
        )


def _spread(vectors: Matrix, present: NDArray[np.bool_]) -> Matrix:
    import numpy as np

    matrix = np.zeros((len(present), vectors.shape[1]), dtype=np.float32)
    matrix[present] = vectors
    return matrix


def _cosines(left: Matrix, right: Matrix) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Returns the cosine of each row, and where there is none because a vector is all zeros."""
    import numpy as np

    a, b = left.astype(np.float64), right.astype(np.float64)
    lengths = np.sqrt(np.square(a).sum(axis=1)) * np.sqrt(np.square(b).sum(axis=1))
    is_zero = lengths == 0
    cosines = (a * b).sum(axis=1) / np.where(is_zero, 1.0, lengths)
    return np.clip(cosines, -1.0, 1.0).astype(np.float32), is_zero
