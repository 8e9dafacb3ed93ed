"""The type that a user wants of a column, from the values that a file has.

Contract: a value that does not fit, or of which something would be lost, is an error: `first_unfit` finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from polars.datatypes import DataTypeClass

# What polars does not cast from text.
_PARSED = ("Date", "Time", "Datetime", "Boolean")
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def as_type(column: str, have: pl.DataType, wanted: str, *, strict: bool = True) -> pl.Expr:
    """Returns a column in another type.

    Args:
        column: The column.
        have: The type that it has.
        wanted: The type to have, as polars names it.
        strict: Whether a value that does not fit is an error, or null.
    """
    import polars as pl

    values = pl.col(column)
    if not isinstance(have, pl.String) or wanted not in _PARSED:
        return values.cast(getattr(pl, wanted), strict=strict)
    if wanted == "Date":
        return values.str.to_date(strict=strict)
    if wanted == "Time":
        return values.str.to_time(strict=strict)
    if wanted == "Datetime":
        return values.str.to_datetime(strict=strict)
    # without a default, a value that is not among these is an error
    defaults = {} if strict else {"default": None}
    return values.str.to_lowercase().replace_strict(_TRUTH, return_dtype=pl.Boolean, **defaults)


def may_lose(have: pl.DataType, wanted: str) -> bool:
    """Says whether polars brings values to a type where something of them is lost: 1.5 to a whole number."""
    import polars as pl

    if wanted == "Boolean":
        return have.is_numeric()
    if wanted == "Date":
        return isinstance(have, pl.Datetime)
    return wanted.startswith(("Int", "UInt")) and (have.is_float() or have.is_decimal())


def widened(values: pl.Expr, have: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """Returns values in a type that holds theirs; fields that a struct lacks are null.

    polars 2.1 casts no struct into one with more fields.
    """
    import polars as pl

    if have == wanted:
        return values
    if isinstance(have, pl.Struct) and isinstance(wanted, pl.Struct):
        mine = {field.name: field.dtype for field in have.fields}
        fields = [
            widened(values.struct.field(field.name), _type(mine[field.name]), _type(field.dtype)).alias(field.name)
            if field.name in mine
            else pl.lit(None, dtype=field.dtype).alias(field.name)
            for field in wanted.fields
        ]
        return pl.when(values.is_not_null()).then(pl.struct(fields))
    if isinstance(have, pl.List) and isinstance(wanted, pl.List):
        return values.list.eval(widened(pl.element(), _type(have.inner), _type(wanted.inner)))
    return values.cast(wanted)


def _type(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype


def first_unfit(frame: pl.LazyFrame, column: str, have: pl.DataType, wanted: str) -> tuple[int, object] | None:
    """Returns the row, from 1, and the value of a column that first does not fit a type; None where all do."""
    import polars as pl

    made = as_type(column, have, wanted, strict=False)
    fits = made.is_not_null() | pl.col(column).is_null()
    if may_lose(have, wanted):
        fits &= made.cast(have).eq_missing(pl.col(column))
    found = frame.select(pl.col(column), fits=fits).with_row_index("row", offset=1).filter(~pl.col("fits")).head(1)
    rows = found.select("row", pl.col(column).alias("value")).collect().rows()
    return (int(rows[0][0]), rows[0][1]) if rows else None
