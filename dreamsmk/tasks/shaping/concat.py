"""Tables one after the other.

Contract: the rows of the first input come first, then those of the second, and so on, each in its order; the tables are
streamed. What a table lacks is an error, unless it is to be null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TableError, nearest
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context

if TYPE_CHECKING:
    import polars as pl


def concat(context: Context) -> None:
    """Writes all rows of all inputs."""
    fills, widens = context.params["missing"] == "null", context.params["types"] == "widen"
    write_concatenated(context.inputs["table"], context.output(), fills=fills, widens=widens)
    context.facts["rows"] = row_count(context.output())


def write_concatenated(paths: Sequence[Path], target: Path, *, fills: bool = False, widens: bool = False) -> None:
    """Writes the rows of some tables, one table after the other.

    Args:
        paths: The tables.
        target: The table to make.
        fills: Whether a column that a table lacks is null there.
        widens: Whether a column may have other types in other tables.

    Raises:
        TableError: Columns or types differ.
    """
    import polars as pl

    frames = [scan_table(path) for path in paths]
    schemas = [dict(frame.collect_schema()) for frame in frames]
    for path, schema in zip(paths[1:], schemas[1:], strict=True):
        _require_alike(path, schema, schemas[0], fills=fills, widens=widens)
    if fills:
        joined = pl.concat(frames, how="diagonal_relaxed" if widens else "diagonal")
    else:
        aligned = [frame.select(list(schemas[0])) for frame in frames]
        joined = pl.concat(aligned, how="vertical_relaxed" if widens else "vertical")
    write_table(joined, target)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns: those of the first input, which only without nulls are all."""
    have = inputs.get("table")
    return {"table": None if have is None or params["missing"] == "null" else list(have)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: that of all inputs together."""
    return {"table": inputs.get("table")}


def _require_alike(
    path: Path, schema: Mapping[str, pl.DataType], first: Mapping[str, pl.DataType], *, fills: bool, widens: bool
) -> None:
    for name in [] if fills else first:
        if name not in schema:
            raise TableError(
                f"the table has no column {name!r}, which the first one has",
                where=str(path),
                hint=f"{nearest(name, schema)}; or missing='null'",
            )
    for name in [] if fills else schema:
        if name not in first:
            raise TableError(
                f"the first table has no column {name!r}, which this one has",
                where=str(path),
                hint="drop it with select, or missing='null'",
            )
    for name, dtype in schema.items():
        if name in first and dtype != first[name] and not (widens and _have_common_type(dtype, first[name])):
            raise TableError(
                f"the column {name!r} is of type {dtype}, and in the first table of type {first[name]}",
                where=str(path),
                hint="no type holds both" if widens else "types='widen' takes a type that holds both, if there is one",
            )


def _have_common_type(one: pl.DataType, other: pl.DataType) -> bool:
    import polars as pl

    try:
        pl.concat([pl.DataFrame(schema={"": dtype}) for dtype in (one, other)], how="vertical_relaxed")
    except pl.exceptions.PolarsError:
        return False
    return True
