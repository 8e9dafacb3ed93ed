"""Rows as CSV, TSV, JSON and JSON lines.

Contract: null is an empty field in CSV, and an empty text is `""`, so that both come back. JSON holds neither bytes nor
numbers that are not finite: those are errors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.errors import TableError

if TYPE_CHECKING:
    import polars as pl
    from polars.datatypes import DataTypeClass

    Type = pl.DataType | DataTypeClass


def write_delimited(frame: pl.LazyFrame, target: Path, separator: str, *, source: str) -> None:
    """Writes rows as fields with a separator, under a header.

    Args:
        frame: The rows.
        target: The file to write.
        separator: What stands between two fields.
        source: What messages call the table.

    Raises:
        TableError: A column is nested, or holds bytes or durations.
    """
    import polars as pl

    def is_flat(dtype: Type) -> bool:
        return not (dtype.is_nested() or dtype in (pl.Binary, pl.Duration, pl.Object))

    _require_types(frame, is_flat, "CSV" if separator == "," else "TSV", source)
    frame.sink_csv(target, separator=separator, maintain_order=True)


def write_json_lines(frame: pl.LazyFrame, target: Path, *, source: str) -> None:
    """Writes rows as JSON objects, one a line.

    Args:
        frame: The rows.
        target: The file to write.
        source: What messages call the table.

    Raises:
        TableError: A column holds bytes, or a number that is not finite.
    """
    _require_types(frame, _goes_into_json, "JSON", source)
    _require_finite(frame, source)
    frame.sink_ndjson(target, maintain_order=True, check_extension=False)


def write_json(frame: pl.LazyFrame, target: Path, *, source: str, scratch: Path) -> None:
    """Writes rows as an array of JSON objects, one a line; `scratch` is a folder for what is written on the way.

    Raises:
        TableError: A column holds bytes, or a number that is not finite.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    lines = scratch / "rows.jsonl"
    write_json_lines(frame, lines, source=source)
    with lines.open("rb") as objects, target.open("wb") as array:
        before = b"["
        for line in objects:
            array.write(before + b"\n" + line.rstrip(b"\n"))
            before = b","
        array.write(b"[]\n" if before == b"[" else b"\n]\n")
    lines.unlink()


def _require_types(frame: pl.LazyFrame, fits: Callable[[Type], bool], name: str, source: str) -> None:
    for column, dtype in frame.collect_schema().items():
        if not fits(dtype):
            raise TableError(
                f"the column {column!r} is of type {dtype}, which {name} does not hold",
                where=source,
                hint="choose other columns, or format='parquet'",
            )


def _goes_into_json(dtype: Type) -> bool:
    import polars as pl

    if isinstance(dtype, pl.Struct):
        return all(_goes_into_json(field.dtype) for field in dtype.fields)
    if isinstance(dtype, (pl.List, pl.Array)):
        return _goes_into_json(dtype.inner)
    return dtype not in (pl.Binary, pl.Object)


def _require_finite(frame: pl.LazyFrame, source: str) -> None:
    """Raises for a number that JSON has not, for which polars would write null without a word."""
    import polars as pl

    asked = {name: _has_no_finite(pl.col(name), dtype) for name, dtype in frame.collect_schema().items()}
    known = {name: expr for name, expr in asked.items() if expr is not None}
    if not known:
        return
    for name, found in frame.select(expr.any().alias(name) for name, expr in known.items()).collect().to_dict().items():
        if found.item():
            rows = frame.select(known[name].alias("bad")).with_row_index("row", offset=1).filter("bad").head(1)
            raise TableError(
                f"the column {name!r} has a number that is not finite, which JSON does not hold",
                where=f"{source}, row {rows.collect()['row'].item()}",
                hint="drop or replace it with filter or sql, or format='parquet'",
            )


def _has_no_finite(values: pl.Expr, dtype: Type) -> pl.Expr | None:
    """Returns whether each value has a number that is not finite in it; None where it cannot."""
    import polars as pl

    if dtype.is_float():
        return ~values.is_finite().fill_null(True)
    if isinstance(dtype, pl.Struct):
        fields = [_has_no_finite(values.struct.field(field.name), field.dtype) for field in dtype.fields]
        asked = [expr for expr in fields if expr is not None]
        return pl.any_horizontal(asked) if asked else None
    if isinstance(dtype, pl.Array):
        return _has_no_finite(values.arr.to_list(), pl.List(dtype.inner))
    if isinstance(dtype, pl.List):
        inside = _has_no_finite(pl.element(), dtype.inner)
        return None if inside is None else values.list.eval(inside).list.any().fill_null(False)
    return None
