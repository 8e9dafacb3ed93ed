"""Tables that rules trip over. Each has the columns `row` (Int64, all different) and `text` (String)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl

# One column of every type that Parquet holds, the second value null.
EVERY_TYPE = [
    *(pl.Series(str(whole), [1, None], dtype=whole) for whole in (pl.Int8, pl.Int16, pl.Int32, pl.Int64)),
    *(pl.Series(str(whole), [200, None], dtype=whole) for whole in (pl.UInt8, pl.UInt16, pl.UInt32)),
    pl.Series("UInt64", [2**64 - 1, None], dtype=pl.UInt64),
    pl.Series("Int128", [2**100, None], dtype=pl.Int128),
    pl.Series("Float32", [0.1, None], dtype=pl.Float32),
    pl.Series("Float64", [float("nan"), None]),
    pl.Series("infinite", [-float("inf"), -0.0]),
    pl.Series("Boolean", [True, None]),
    pl.Series("Binary", [b"\x00\xff", None]),
    pl.Series("Decimal", [Decimal("1.50"), None], dtype=pl.Decimal(38, 9)),
    pl.Series("Date", [date(1, 1, 1), None]),
    pl.Series("Time", [time(1, 2, 3), None]),
    pl.Series("Duration", [timedelta(days=-1), None]),
    pl.Series("Datetime", [datetime(2020, 1, 1), None], dtype=pl.Datetime("ns", "Europe/Berlin")),
    pl.Series("Categorical", ["b", None], dtype=pl.Categorical),
    pl.Series("Enum", ["b", None], dtype=pl.Enum(["a", "b"])),
    pl.Series("Null", [None, None]),
    pl.Series("List", [[1, None], None]),
    pl.Series("Array", [[1, None], None], dtype=pl.Array(pl.Int8, 2)),
    pl.Series("Struct", [{"a": 1, "b": [None]}, None], dtype=pl.Struct({"a": pl.Int8, "b": pl.List(pl.Null)})),
    pl.Series("deep", [[{"a": [[1.5], []]}], []], dtype=pl.List(pl.Struct({"a": pl.List(pl.List(pl.Float64))}))),
    pl.Series("List of Categorical", [["x"], [None]], dtype=pl.List(pl.Categorical)),
]

_NESTED = pl.DataFrame([pl.Series("row", [0, 1]), pl.Series("text", ["a", "b"]), *EVERY_TYPE])

_STRANGE = {'n"a\nme ä🦜': [1, 2, 3, 4, 5], "": ["x"] * 5}
_NULLS = pl.DataFrame({"row": [0, 1, 2], "text": pl.Series([None] * 3, dtype=pl.String), "n": [None, 1, None]})
_WIDE = {f"c{number}": [number, number + 1] for number in range(10_000)}

AWKWARD: dict[str, pl.DataFrame] = {
    "empty": _NESTED.clear(),
    "every type": _NESTED,
    "nulls": _NULLS,
    "unicode": pl.DataFrame(
        {"row": range(5), "text": ["", "ä\u0301\n\t", "🦜" * 20, "\x00", "日本語 \u202e"], **_STRANGE}
    ),
    "large cells": pl.DataFrame({"row": range(3), "text": ["ü" * 2**20, None, "a b " * 2**18]}),
    "10,000 columns": pl.DataFrame({"row": [0, 1], "text": ["a", None], **_WIDE}),
}
