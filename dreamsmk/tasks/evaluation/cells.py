"""The columns that scores come from.

Contract: a cell without a value is an error that names its row, unless such rows are to be left out, which is then
counted. What is of the wrong type is an error before anything is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tables import read_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.evaluation.candidates import Candidate
from dreamsmk.tasks.training.rows.examples import rows_in_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl


@dataclass(frozen=True, slots=True)
class Cells:
    """Some columns of a table.

    Attributes:
        covered: For each row of the table whether it counts: whether it has a value in all of the columns.
        columns: The values of those rows alone, by the name of the column.
    """

    covered: npt.NDArray[np.bool_]
    columns: dict[str, pl.Series]


def required(params_name: str, column: str | None, metric: str) -> str:
    """Returns a column that a metric cannot do without.

    Raises:
        SettingsError: It is not given.
    """
    if column is None:
        raise SettingsError(f"{metric} needs a column of {params_name}", where=f"params.{params_name}")
    return column


def read_cells(
    context: Context, candidate: Candidate, columns: Sequence[str], *, lists_need_texts: bool = False
) -> Cells:
    """Returns some columns of a candidate's table.

    Args:
        context: The task's; of its parameters `skip_nulls` is used.
        candidate: Whose table it is.
        columns: The columns.
        lists_need_texts: Whether a list without a text counts as no value: no right answer, rather than no label.

    Raises:
        TableError: A column is missing, or has cells without a value that are not to be left out.
    """
    import polars as pl

    frame = read_table(candidate.table, columns=list(dict.fromkeys(columns)))
    for name, dtype in frame.schema.items() if lists_need_texts else ():
        if dtype == pl.List(pl.String):
            texts = pl.col(name).list.drop_nulls()
            frame = frame.with_columns(pl.when(texts.list.len() > 0).then(texts).alias(name))
    missing = frame.select(pl.any_horizontal(pl.all().is_null()).alias("")).to_series()
    if missing.any():
        _tell_nulls(context, candidate, frame, missing)
    return Cells((~missing).to_numpy(), {one.name: one for one in frame.filter(~missing)})


def _tell_nulls(context: Context, candidate: Candidate, frame: pl.DataFrame, missing: pl.Series) -> None:
    count = int(missing.sum())
    names = " and ".join(repr(name) for name in frame.columns if frame[name].null_count())
    if not context.params["skip_nulls"]:
        raise TableError(
            f"{count} {'row has' if count == 1 else 'rows have'} no value in {names}",
            where=f"{candidate.table}, {rows_in_words(missing.arg_true().to_list())}",
            hint="fill or drop these rows, or leave them out of the scores with skip_nulls=True",
        )
    context.progress.note(f"{candidate.said}: {count} rows without a value in {names} are left out")
    left_out = context.facts.setdefault("left_out", {})
    left_out[candidate.said] = max(left_out.get(candidate.said, 0), count)


def texts_of(cells: Cells, column: str, candidate: Candidate) -> list[str]:
    """Returns a column of texts; numbers are written out.

    Raises:
        TableError: It holds no texts.
    """
    import polars as pl

    values = cells.columns[column]
    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
        raise TableError(f"the column {column!r} is of type {values.dtype}, not text", where=str(candidate.table))
    texts: list[str] = values.cast(pl.String).to_list()
    return texts


def answers_of(cells: Cells, column: str, candidate: Candidate) -> list[list[str]]:
    """Returns a column of right answers, of which a row may have several.

    Raises:
        TableError: It holds neither texts nor lists of texts.
    """
    import polars as pl

    values = cells.columns[column]
    if values.dtype == pl.List(pl.String):
        answers: list[list[str]] = values.to_list()
        return answers
    return [[text] for text in texts_of(cells, column, candidate)]
