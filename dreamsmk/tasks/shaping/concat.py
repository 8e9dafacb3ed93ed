"""Tables one after the other.

Contract: the rows of the first input come first, then those of the second, and so on, each in its order; the tables are
streamed. What a table lacks is an error, unless it is to be null. A type that is widened holds every value as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TableError, nearest
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.unchanged import rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["columns", "concat", "rows", "write_concatenated"]


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
    if not fills:
        _require_columns(paths, schemas)
    types = _types(paths, schemas, widens=widens)
    for path, frame, schema in zip(paths, frames, schemas, strict=True) if widens else ():
        _require_exact(path, frame, {name: (dtype, types[name]) for name, dtype in schema.items()})
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


def _require_columns(paths: Sequence[Path], schemas: Sequence[Mapping[str, pl.DataType]]) -> None:
    """Raises for a table that has not the columns of the first one."""
    first = schemas[0]
    for path, schema in zip(paths, schemas, strict=True):
        for name in first:
            if name not in schema:
                raise TableError(
                    f"the table has no column {name!r}, which the first one has",
                    where=str(path),
                    hint=f"{nearest(name, schema)}; or missing='null'",
                )
        for name in schema:
            if name not in first:
                raise TableError(
                    f"the first table has no column {name!r}, which this one has",
                    where=str(path),
                    hint="drop it with select, or missing='null'",
                )


def _types(
    paths: Sequence[Path], schemas: Sequence[Mapping[str, pl.DataType]], *, widens: bool
) -> dict[str, pl.DataType]:
    """Returns the type of each column of all tables; raises for one that is of another type than before."""
    types: dict[str, pl.DataType] = {}
    sources: dict[str, Path] = {}
    for path, schema in zip(paths, schemas, strict=True):
        for name, dtype in schema.items():
            before = types.setdefault(name, dtype)
            source = sources.setdefault(name, path)
            common = dtype if dtype == before else _common_type(before, dtype) if widens else None
            if common is None:
                raise TableError(
                    f"the column {name!r} is of type {dtype}, and in {source} of type {before}",
                    where=str(path),
                    hint="no type holds both"
                    if widens
                    else "types='widen' takes a type that holds both, if there is one",
                )
            types[name] = common
    return types


def _common_type(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    import polars as pl

    if pl.Null() not in (one, other) and one.is_nested() != other.is_nested():
        return None
    # to polars a date is a number of days
    if (one.is_temporal() and other.is_numeric()) or (one.is_numeric() and other.is_temporal()):
        return None
    empty = [pl.DataFrame(schema={"": dtype}) for dtype in (one, other)]
    try:
        return pl.concat(empty, how="vertical_relaxed").schema[""]
    except pl.exceptions.PolarsError:
        return None


def _require_exact(path: Path, frame: pl.LazyFrame, types: Mapping[str, tuple[pl.DataType, pl.DataType]]) -> None:
    """Raises for a whole number that the floats of another table do not hold."""
    import polars as pl

    for name, (mine, common) in types.items():
        if not (mine.is_integer() and common.is_float()):
            continue
        values = pl.col(name)
        is_lost = values.cast(common).cast(pl.Int128, strict=False).ne_missing(values.cast(pl.Int128))
        rows = frame.select(values.alias("value"), is_lost.alias("lost")).with_row_index("row").filter("lost")
        for row, value, _ in rows.head(1).collect(engine="streaming").rows():
            raise TableError(
                f"the value {value} of the column {name!r} has no place among the floats of another table",
                where=f"{path}, row {row} (from 0)",
                hint="cast the column to text or to floats first, with sql",
            )
