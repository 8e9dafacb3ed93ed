"""The win rate: how often a judge took one text over the other.

Contract: a tie is half a win. A row without a verdict, which the judging rules leave where a reply could not be read or
a call failed, is counted as `unjudged` and in nothing else. The interval is Wilson's, which for wins alone does not end
at 1, as that of resampled rows would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dreamsmk.errors import TableError
from dreamsmk.tables import read_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.evaluation.candidates import Candidate
from dreamsmk.tasks.evaluation.intervals import wilson
from dreamsmk.tasks.evaluation.measured import Interval, Measured, Measurement, Work
from dreamsmk.tasks.training.rows.examples import rows_in_words

if TYPE_CHECKING:
    import polars as pl

    from dreamsmk.tasks.evaluation.measured import RowNumbers


def prepare_verdicts(context: Context, candidate: Candidate) -> Work:
    """Reads the verdicts on a candidate, and returns what counts them."""
    import numpy as np
    import polars as pl

    params = context.params
    worth = {params["loss"]: 0.0, params["win"]: 1.0} | ({} if params["tie"] is None else {params["tie"]: 0.5})
    column = read_table(candidate.table, columns=[candidate.verdicts])[candidate.verdicts]
    points = _points(column, worth, candidate)
    judged = points.is_not_null().to_numpy()
    scores = points.fill_null(0.0).to_numpy()

    def counts(rows: RowNumbers) -> list[float]:
        drawn = scores[rows]
        return [float(drawn.mean()), *(float((drawn == one).sum()) for one in (1.0, 0.5, 0.0))]

    def intervals(rows: RowNumbers) -> list[Interval | None]:
        return [wilson(float(scores[rows].sum()), rows.size), None, None, None]

    def unjudged(rows: RowNumbers) -> list[float]:
        return [float((~judged[rows]).sum())]

    def work() -> Measurement:
        every = np.ones(judged.size, dtype=bool)
        return Measurement(
            [
                Measured(("win_rate", "wins", "ties", "losses"), judged, counts, intervals),
                Measured(("unjudged",), every, unjudged, lambda rows: [None]),
            ],
            {"win_rate": points.cast(pl.Float64)},
        )

    return work


def _points(column: pl.Series, worth: dict[str, float], candidate: Candidate) -> pl.Series:
    """Returns what each verdict is worth, null where there is none."""
    import polars as pl

    texts = column.cast(pl.String, strict=False) if not column.dtype.is_nested() else column
    if texts.dtype != pl.String:
        raise TableError(f"the column {column.name!r} is of type {column.dtype}, not text", where=str(candidate.table))
    strange = texts.is_not_null() & ~texts.is_in(list(worth))
    if strange.any():
        rows = strange.arg_true().to_list()
        raise TableError(
            f"the verdict {texts[rows[0]]!r} is none of {', '.join(repr(verdict) for verdict in worth)}",
            where=f"{candidate.table}, {column.name!r}, {rows_in_words(rows)}",
            hint="say with win, loss and tie what the verdicts are",
        )
    return texts.replace_strict(worth, return_dtype=pl.Float64)
