"""The rows of a table that meet a condition.

Contract: the condition is an expression of polars' SQL over the columns of one row, as a WHERE clause takes it; a row
for which it is null is left out, as in SQL. Rows keep their order; the table is streamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.sql_text import ONE, require_row_wise, telling

if TYPE_CHECKING:
    import polars as pl

WHERE = "params.where"


def filter_rows(context: Context) -> None:
    """Writes the rows that meet the condition."""
    require_row_wise(context.params["where"], WHERE)
    frame = scan_table(context.input())
    with telling("the condition cannot be worked out", WHERE, {ONE: frame.collect_schema().names()}):
        kept = _filtered(frame, context.params["where"])
        kept.collect_schema()
    write_table(kept, context.output())
    context.facts["rows"] = row_count(context.output())
    context.facts["dropped_rows"] = row_count(context.input()) - context.facts["rows"]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns: those of the input.

    Raises:
        SettingsError: The condition is no SQL, or is of several rows.
        TableError: It names a column that the table does not have.
    """
    import polars as pl

    require_row_wise(params["where"], WHERE)
    have = inputs.get("table")
    # The types are not known here: what does not fit these is no fault of the condition.
    unknown: tuple[type[Exception], ...] = (
        pl.exceptions.InvalidOperationError,
        pl.exceptions.SchemaError,
        pl.exceptions.ComputeError,
        pl.exceptions.StructFieldNotFoundError,
    )
    if have is None:
        unknown += (pl.exceptions.ColumnNotFoundError,)
    frame = pl.LazyFrame(schema=dict.fromkeys(have or (), pl.Null()))
    with telling("the condition cannot be worked out", WHERE, {ONE: have or ()}), suppress(*unknown):
        _filtered(frame, params["where"]).collect_schema()
    return {"table": None if have is None else list(have)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows, which only a table without rows knows before."""
    return {"table": 0 if inputs.get("table") == 0 else None}


def _filtered(frame: pl.LazyFrame, condition: str) -> pl.LazyFrame:
    import polars as pl

    # on a line of its own: the condition may end in a comment
    return pl.SQLContext({ONE: frame}, eager=False).execute(f"SELECT * FROM {ONE} WHERE (\n{condition}\n)")
