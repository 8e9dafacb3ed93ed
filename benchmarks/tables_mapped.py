"""The functions that the table benchmarks map over rows and batches."""

from __future__ import annotations

from typing import Any

import polars as pl


# Any: cells.
def row_lengths(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "letters": len(row["text"])}


# Any: cells.
def batch_lengths(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {"id": batch["id"], "letters": [len(text) for text in batch["text"]]}


def frame_lengths(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("id", letters=pl.col("text").str.len_chars())
