"""The table of the scores.

Contract: a row a score, of all rows first and then of each group in the order in which the groups come; its columns and
types depend on the parameters and the table's types alone. What no row counts for has no value, and 0 rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tables import read_table, row_count, scan_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.evaluation.candidates import NAME, Candidate
from dreamsmk.tasks.evaluation.intervals import bootstrap
from dreamsmk.tasks.evaluation.measured import Interval, Measured
from dreamsmk.tasks.training.rows.examples import rows_in_words

if TYPE_CHECKING:
    import polars as pl

    from dreamsmk.tasks.evaluation.measured import RowNumbers

SCORE_COLUMNS = ("metric", "value", "low", "high", "rows")


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of a table that have scores of their own.

    Attributes:
        values: What they have in the columns of `by`; None for all rows of the table.
        rows: Their numbers, from 0.
    """

    # Any: cells.
    values: tuple[Any, ...] | None
    rows: RowNumbers


@dataclass(frozen=True, slots=True)
class Score:
    """One score.

    Attributes:
        name: Whose it is; None where nothing is compared.
        group: What its rows have in the columns of `by`; None for all rows.
        value: None where no row counts.
        rows: How many rows count.
    """

    name: str | None
    # Any: cells.
    group: tuple[Any, ...] | None
    metric: str
    value: float | None
    low: float | None
    high: float | None
    rows: int


# Any: JSON.
def score_columns(params: Mapping[str, Any], names: Sequence[str] | None) -> list[str]:
    """Returns the columns of the scores.

    Raises:
        SettingsError: A column of `by` is called as one of the others.
    """
    leading = [*([] if names is None else [NAME]), *params["by"]]
    taken = {*SCORE_COLUMNS, NAME, "label", "reference", "prediction"}
    for column in params["by"]:
        if column in taken:
            hint = "give the column another name first, with rename"
            raise SettingsError(f"the scores have a column {column!r} of their own", where="params.by", hint=hint)
    return [*leading, *SCORE_COLUMNS]


def groups_of(context: Context, candidate: Candidate) -> list[Group]:
    """Returns all rows of a candidate's table, and then those of each group.

    Raises:
        TableError: A row has no value in a column of `by`, and such rows are not to be left out.
    """
    import numpy as np
    import polars as pl

    by: list[str] = context.params["by"]
    everything = Group(None, np.arange(row_count(candidate.table), dtype=np.int64))
    if not by:
        return [everything]
    frame = read_table(candidate.table, columns=by)
    missing = frame.select(pl.any_horizontal(pl.all().is_null()).alias("")).to_series()
    if missing.any() and not context.params["skip_nulls"]:
        raise TableError(
            f"{missing.sum()} rows belong to no group, since they have no value in {' or '.join(map(repr, by))}",
            where=f"{candidate.table}, {rows_in_words(missing.arg_true().to_list())}",
            hint="fill these cells, or leave the rows out of the groups with skip_nulls=True",
        )
    # no column of the table is called so
    number = "".join(by) + "#"
    grouped = frame.with_row_index(number).filter(~missing).group_by(by, maintain_order=True).agg(pl.col(number))
    return [everything, *(Group(row[:-1], np.array(row[-1], dtype=np.int64)) for row in grouped.iter_rows())]


def scores_of(
    context: Context, candidate: Candidate, groups: Sequence[Group], measured: Sequence[Measured], order: Sequence[str]
) -> Iterator[Score]:
    """Yields the scores of a candidate, those of a group in the order of the metrics that is asked for."""
    for group in groups:
        found = {score.metric: score for one in measured for score in _scores(context, candidate, group, one)}
        yield from (found[metric] for metric in order)


def _scores(context: Context, candidate: Candidate, group: Group, measured: Measured) -> Iterator[Score]:
    params = context.params
    rows = group.rows[measured.covered[group.rows]]
    values: Sequence[float | None] = [None] * len(measured.metrics)
    intervals: Sequence[Interval | None] = [None] * len(measured.metrics)
    if rows.size:
        values = measured.values(rows)
        if measured.intervals is not None:
            intervals = measured.intervals(rows)
        elif params["confidence"]:
            intervals = bootstrap(measured.values, rows, resamples=params["resamples"], seed=params["seed"])
    for metric, value, interval in zip(measured.metrics, values, intervals, strict=True):
        low, high = interval or (None, None)
        told = (_number(value), _number(low), _number(high))
        yield Score(candidate.name, group.values, metric, *told, rows.size)


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def scores_frame(scores: Sequence[Score], by: Mapping[str, pl.DataType], *, has_names: bool) -> pl.DataFrame:
    """Returns the table of scores.

    Args:
        scores: Its rows.
        by: The columns of `by` with their types.
        has_names: Whether it has a column of names.
    """
    import polars as pl

    names = {NAME: pl.String()} if has_names else {}
    numbers = {"value": pl.Float64(), "low": pl.Float64(), "high": pl.Float64(), "rows": pl.Int64()}
    none = (None,) * len(by)
    rows = [
        (
            *([score.name] * has_names),
            *(score.group or none),
            score.metric,
            score.value,
            score.low,
            score.high,
            score.rows,
        )
        for score in scores
    ]
    return pl.DataFrame(rows, schema={**names, **by, "metric": pl.String(), **numbers}, orient="row")


def types_of(by: Sequence[str], tables: Sequence[Path]) -> dict[str, pl.DataType]:
    """Returns the columns of `by` with their types.

    Raises:
        TableError: They are not the same in all tables.
    """
    types: dict[str, pl.DataType] = {}
    for path in dict.fromkeys(tables):
        schema = scan_table(path).collect_schema()
        for column in by:
            if schema[column].is_nested():
                raise TableError(f"the column {column!r} is of type {schema[column]}, no plain value", where=str(path))
            if types.setdefault(column, schema[column]) != schema[column]:
                raise TableError(
                    f"the column {column!r} is of type {schema[column]}, and in the first table {types[column]}",
                    where=str(path),
                    hint="groups are compared by their values: give them one type",
                )
    return types
