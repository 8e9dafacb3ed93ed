"""Vectors in tables and from models, as float32 matrices.

Contract: a block of vectors is a matrix of the shape (vectors, dimensions) whose numbers are all finite; vectors of
other dimensions than those before them, null or not finite numbers are errors that name the row, or failures of it
where a model gave them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dreamsmk.errors import ProviderError, TableError
from dreamsmk.requests import Failure, Request, Response
from dreamsmk.tasks.context import Asked, Model
from dreamsmk.tasks.retrieval.texts import ask_of_texts, refuse_cut

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]


def ask_vectors(
    model: Model, texts: Sequence[str], *, prefix: str = "", truncate: bool = False, max_failures: float = 0
) -> Asked:
    """Returns what asks a model for the vector of each text; see `ask_of_texts`."""
    judge = _judge_any if truncate else _judge_whole
    return ask_of_texts(model, texts, "embedding", prefix=prefix, judge=judge, max_failures=max_failures)


class VectorStream:
    """The vectors that a model gives, in order, a block at a time.

    Args:
        outcomes: One reply or failure a text.
        dimensions: How many numbers a vector must have; None for as many as the first one has.

    Attributes:
        dimensions: How many numbers a vector has; None before the first one.
    """

    def __init__(self, outcomes: Iterator[Response | Failure], dimensions: int | None = None) -> None:
        self.dimensions = dimensions
        self._outcomes = outcomes

    def peek(self) -> int | None:
        """Returns how many numbers a vector has; waits for the first one if need be, and there may be none."""
        waiting: list[Response | Failure] = []
        while self.dimensions is None and (outcome := next(self._outcomes, None)) is not None:
            waiting.append(outcome)
            if isinstance(outcome, Response):
                self._check(outcome.vector())
        self._outcomes = itertools.chain(waiting, self._outcomes)
        return self.dimensions

    def next_block(self, count: int) -> tuple[Matrix, list[Failure | None]]:
        """Returns the vectors of the next `count` texts that have one, and for each text why it has none.

        Raises:
            ProviderError: More texts failed than may, or a vector has other dimensions.
        """
        import numpy as np

        outcomes = list(itertools.islice(self._outcomes, count))
        vectors = [outcome.vector() for outcome in outcomes if isinstance(outcome, Response)]
        for vector in vectors:
            self._check(vector)
        matrix = np.stack(vectors) if vectors else np.empty((0, self.dimensions or 0), dtype=np.float32)
        return matrix, [outcome if isinstance(outcome, Failure) else None for outcome in outcomes]

    def next_column(self, name: str, has_text: pl.Series) -> tuple[pl.Series, list[Failure | None]]:
        """Returns the vectors of the next rows as a column, null where there is none, and for each row why it failed.

        Args:
            name: The name of the column; `dimensions` must be known.
            has_text: Of each row, whether it has a text.
        """
        import numpy as np

        asked = has_text.to_numpy()
        matrix, reasons = self.next_block(int(asked.sum()))
        found = iter(reasons)
        by_row = [next(found) if has else None for has in asked]
        present = asked & np.array([reason is None for reason in by_row], dtype=bool)
        return array_column(name, matrix, present), by_row

    def finish(self) -> None:
        """Lets the run of the calls end: what it raises in the end is raised here."""
        for _ in self._outcomes:
            raise AssertionError("there are more replies than texts")

    def _check(self, vector: NDArray[np.float32]) -> None:
        if self.dimensions is None:
            self.dimensions = len(vector)
        if len(vector) != self.dimensions:
            raise ProviderError(
                f"the model gave a vector of {len(vector)} numbers, and {self.dimensions} are expected",
                hint="look at the parameter dimensions, and at the options of the model spec",
            )


def matrix_of(values: pl.Series, *, where: str, first_row: int) -> tuple[Matrix, NDArray[np.bool_]]:
    """Returns the vectors of a column that are not null, and of each row whether it has one.

    Args:
        values: A column of lists or arrays of numbers.
        where: The table.
        first_row: The number of the first of these rows in the table.

    Raises:
        TableError: Vectors have different lengths, or a number is null or not finite.
    """
    import numpy as np
    import polars as pl

    present = values.is_not_null().to_numpy()
    vectors = values.drop_nulls()
    rows = np.flatnonzero(present) + first_row
    name = values.name
    if isinstance(vectors.dtype, pl.List):
        lengths = vectors.list.len().to_numpy()
        width = int(lengths[0]) if len(lengths) else 0
        if (odd := np.flatnonzero(lengths != width)).size:
            raise TableError(
                f"the column {name!r} has vectors of {width} and of {lengths[odd[0]]} numbers",
                where=f"{where}, row {rows[odd[0]]} (from 0)",
            )
    else:
        assert isinstance(vectors.dtype, pl.Array)
        width = vectors.dtype.size
    flat = vectors.explode(empty_as_null=False, keep_nulls=False)
    matrix: Matrix = flat.cast(pl.Float32).to_numpy().reshape(len(vectors), width)
    if (odd := np.flatnonzero(~np.isfinite(matrix).all(axis=1))).size:
        raise TableError(
            f"the column {name!r} has a vector with numbers that are null or not finite",
            where=f"{where}, row {rows[odd[0]]} (from 0)",
        )
    return matrix, present


def array_column(name: str, matrix: Matrix, present: NDArray[np.bool_]) -> pl.Series:
    """Returns a column of arrays: the vectors, in order, where `present` says so, and null elsewhere."""
    import numpy as np
    import polars as pl

    vectors = pl.Series(name, matrix, dtype=pl.Array(pl.Float32, matrix.shape[1]))
    if present.all():
        return vectors
    places = pl.Series(np.where(present, np.cumsum(present) - 1, 0), dtype=pl.UInt32)
    return vectors.gather(places.zip_with(pl.Series(present), pl.Series([None], dtype=pl.UInt32)))


def is_vector(dtype: pl.DataType) -> bool:
    """Says whether a column holds vectors: lists or arrays of numbers."""
    import polars as pl

    return isinstance(dtype, pl.List | pl.Array) and dtype.inner.is_numeric()


def _judge_any(request: Request, response: Response, earlier: int) -> Failure | None:
    import numpy as np

    vector = response.vector()
    if len(vector) and np.isfinite(vector).all():
        return None
    return Failure("other", "the vector is empty or holds what is no finite number", response=response)


def _judge_whole(request: Request, response: Response, earlier: int) -> Failure | None:
    return refuse_cut(request, response, earlier) or _judge_any(request, response, earlier)
