"""A table in batches, of which only a few are in memory at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.tables import row_count, scan_table
from dreamsmk.tables.sources import reading

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 100_000
BATCH_BYTES = 64 * 1024 * 1024
# How many times larger a table is in memory than its compressed file, roughly.
EXPANSION = 4
# Rows from the start whose size in memory is looked at: equal values take next to no space in a file.
SAMPLE_ROWS = 100


def batches_of(source: Path, rows: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """Yields a table, or some of its columns, in batches of just so many rows; the last may have fewer."""
    with reading(source):
        frame = scan_table(source)
        yield from frame_batches(frame if columns is None else frame.select(list(columns)), rows)


def frame_batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Yields rows in batches of just so many, whatever the engine hands over; the last may have fewer."""
    import polars as pl

    rest: pl.DataFrame | None = None
    for chunk in frame.collect_batches(chunk_size=rows, maintain_order=True, lazy=True):
        rest = chunk if rest is None or not rest.height else pl.concat([rest, chunk])
        start = 0
        while rest.height - start >= rows:
            yield rest.slice(start, rows)
            start += rows
        rest = rest.slice(start)
    if rest is not None and rest.height:
        yield rest


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the same rows with nothing else behind them: rows filtered from a batch keep its whole text in memory."""
    import polars as pl

    copied: pl.DataFrame = pl.read_ipc(frame.write_ipc(None).getvalue())
    return copied


def bounded_batch_rows(source: Path, size_bytes: int = BATCH_BYTES) -> int:
    """Returns how many rows of a table make a batch of about so many bytes in memory, at most."""
    return max(1, min(BATCH_ROWS, int(size_bytes / row_bytes(source))))


def row_bytes(source: Path) -> float:
    """Returns about how many bytes of memory a row of a table takes, rather more than less, and at least 1."""
    frame = scan_table(source)
    with reading(source):
        first = frame.head(SAMPLE_ROWS).collect()
    return max(
        1.0,
        source.stat().st_size * EXPANSION / max(row_count(source), 1),
        first.estimated_size() / max(first.height, 1),
    )
