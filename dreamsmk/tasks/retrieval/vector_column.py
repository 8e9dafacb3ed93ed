"""A column that tasks take as vectors: of vectors, or of texts whose vectors a model gives.

Contract: every row has a vector. A row without one is an error that names it, before the first call where it is a text
that is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tables import scan_table
from dreamsmk.tasks.batches import batches_of
from dreamsmk.tasks.context import Asked, Model
from dreamsmk.tasks.prompting.generations import is_text
from dreamsmk.tasks.retrieval.texts import PROBE, Texts, batch_rows
from dreamsmk.tasks.retrieval.vectors import VectorStream, ask_vectors, is_vector, matrix_of

if TYPE_CHECKING:
    import polars as pl

    from dreamsmk.tasks.retrieval.vectors import Matrix

# What of a model's options says what is put before a text: queries and passages of one model may differ in it.
_PROMPT_OPTIONS = ("prompt", "prompt_name")


def holds_texts(path: Path, column: str) -> bool:
    """Says whether a column holds texts rather than vectors.

    Raises:
        TableError: There is no such column, or it holds neither.
    """
    types = scan_table(path).collect_schema()
    if column not in types:
        raise TableError(f"the table has no column {column!r}", where=str(path), hint=nearest(column, types))
    if is_vector(types[column]):
        return False
    if not is_text(types[column]):
        raise TableError(
            f"the column {column!r} is of type {types[column]}, neither texts nor vectors",
            where=str(path),
            hint="vectors are lists or arrays of numbers",
        )
    return True


def ask_column(
    path: Path, column: str, model: Model | None, *, prefix: str, truncate: bool, where: str = "params.model"
) -> Asked | None:
    """Returns what asks a model for the vectors of a column; None where it holds vectors.

    Raises:
        SettingsError: It holds texts, and there is no model.
        TableError: It holds neither, or a text is null.
    """
    if not holds_texts(path, column):
        return None
    if model is None:
        raise SettingsError(
            f"the column {column!r} holds texts, and there is no model for their vectors", where=where, hint="give one"
        )
    return ask_vectors(model, Texts(path, [column]), prefix=prefix, truncate=truncate)


def vector_batches(path: Path, column: str, asked: Asked | None) -> Iterator[tuple[int, pl.DataFrame, Matrix]]:
    """Yields a table in batches with the vectors of a column, one a row.

    Args:
        path: The table.
        column: The column.
        asked: What `ask_column` gave.

    Yields:
        The number of the batch's first row, the batch, and its vectors.

    Raises:
        TableError: A vector is null, not finite, or of another length.
        ProviderError: The model does not give them all.
    """
    stream = None if asked is None else VectorStream(asked.outcomes())
    start, width = 0, None
    for frame in batches_of(path, batch_rows(path)):
        if stream is not None:
            matrix, _ = stream.next_block(frame.height)
        else:
            matrix, present = matrix_of(frame[column], where=str(path), first_row=start)
            if not present.all():
                row = start + int(present.argmin())
                raise TableError(f"the column {column!r} has no vector", where=f"{path}, row {row} (from 0)")
            if width not in (None, matrix.shape[1]):
                raise TableError(
                    f"the column {column!r} has vectors of {width} and of {matrix.shape[1]} numbers",
                    where=f"{path}, row {start} (from 0)",
                )
            width = matrix.shape[1]
        yield start, frame, matrix
        start += frame.height
    if stream is not None:
        stream.finish()


def scaled(matrix: Matrix, *, where: str, first_row: int) -> Matrix:
    """Returns vectors scaled to length 1.

    Raises:
        TableError: One of them has no direction: its numbers are all 0.
    """
    import numpy as np

    wide = matrix.astype(np.float64)
    lengths = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    if not lengths.all():
        row = first_row + int(lengths[:, 0].argmin())
        raise TableError(
            "a vector of zeros cannot be scaled to length 1",
            where=f"{where}, row {row} (from 0)",
            hint="drop the row, or leave normalize out",
        )
    unit: Matrix = (wide / lengths).astype(np.float32)
    return unit


# Any: JSON.
def identity_of(model: Model) -> dict[str, Any]:
    """Returns the identity of a model as JSON, without what is not set."""
    request = next(model.requests([PROBE], wanted="embedding"))
    return {name: value for name, value in dataclasses.asdict(request.model).items() if value not in (None, {})}


# Any: JSON.
def check_same_model(of_index: Mapping[str, Any] | None, of_queries: Mapping[str, Any] | None, *, where: str) -> None:
    """Finds that vectors of one model would be looked up among those of another.

    Raises:
        SettingsError: Both are known, and they differ in more than what is put before a text.
    """
    if of_index is None or of_queries is None:
        return
    index, queries = _comparable(of_index), _comparable(of_queries)
    names = [name for name in {**index, **queries} if index.get(name) != queries.get(name)]
    if names:
        told = "; ".join(f"{name}: {index.get(name)} in the index, {queries.get(name)} here" for name in names[:3])
        raise SettingsError(
            f"the model is not the one that the index was made with ({told})",
            where=where,
            hint="name the index's model, or make the index again with this one",
        )


# Any: JSON.
def _comparable(identity: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in (identity.get("options") or {}).items() if name not in _PROMPT_OPTIONS}
    return {**identity, "options": options}
