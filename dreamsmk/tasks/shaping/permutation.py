"""Rows in an order drawn from a seed, for tables of any size.

Contract: the order depends on the seed and the number of rows alone: row i gets output number i + 1 of SplitMix64
(Steele et al., "Fast splittable pseudorandom number generators", 2014) started at a mix of the seed, and rows are
ordered by that number. It is integer arithmetic, the same on every machine and with every version of every library.
A table that does not fit into memory is written by way of files, each with the rows of one stretch of the new order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.errors import TableError
from dreamsmk.tables import scan_table, write_table
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows, row_bytes

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

GAMMA = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB
MASK = 2**64 - 1
# The rows of one stretch of the new order that are in memory at once.
STRETCH_BYTES = 256 * 1024 * 1024
# So that a part is not read as a whole.
RECORD_BATCH_ROWS = 16 * 1024
# Columns that a user's table does not have.
RANK = "\0rank"
PART = "\0part"


def draws(seed: int, count: int) -> NDArray[np.uint64]:
    """Returns a pseudorandom number for each of `count` rows, of the shape (count,)."""
    import numpy as np

    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA) + np.uint64(_start(seed))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX_1)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX_2)
        return z ^ (z >> np.uint64(31))


def ranks(seed: int, count: int) -> NDArray[np.int64]:
    """Returns where each row goes, from 0, of the shape (count,)."""
    import numpy as np

    # stable, so that two rows with the same number keep their order
    order = np.argsort(draws(seed, count), kind="stable")
    ranked = np.empty(count, dtype=np.int64)
    ranked[order] = np.arange(count, dtype=np.int64)
    return ranked


def write_ranked(
    source: Path, ranked: NDArray[np.int64], stretch: range, target: Path, *, stretch_bytes: int = STRETCH_BYTES
) -> int:
    """Writes the rows whose rank lies in a stretch, in the order of their ranks.

    Args:
        source: The table.
        ranked: The rank of each of its rows; -1 for rows that go nowhere.
        stretch: The ranks to write.
        target: The table to make.
        stretch_bytes: About how much of the rows is in memory at once.

    Returns:
        How many rows it has.

    Raises:
        TableError: The table cannot be read, or the disk is full.
    """
    import polars as pl

    step = max(1, int(stretch_bytes / row_bytes(source)))
    # all rows, not those of the stretch: a few rows of a batch keep the text of the whole batch in memory
    if len(ranked) <= step:
        write_table(_in_memory(source, ranked, stretch), target)
        return len(stretch)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            parts = [pl.scan_ipc(part, glob=False) for part in _parts(source, ranked, stretch, step, Path(folder))]
            write_table(pl.concat([scan_table(source).head(0), *parts]), target)
    except OSError as exc:
        raise TableError(f"the table cannot be written: {exc.strerror or exc}", where=str(target)) from exc
    return len(stretch)


def _start(seed: int) -> int:
    # neighbouring seeds must not give neighbouring sequences
    z = ((seed & MASK) + GAMMA) & MASK
    z = ((z ^ (z >> 30)) * MIX_1) & MASK
    z = ((z ^ (z >> 27)) * MIX_2) & MASK
    return z ^ (z >> 31)


def _chosen(source: Path, ranked: NDArray[np.int64], stretch: range) -> Iterator[pl.DataFrame]:
    """Yields the rows of a stretch with their ranks, in the order of the source."""
    import polars as pl

    done = 0
    for batch in batches_of(source, bounded_batch_rows(source)):
        here = pl.Series(RANK, ranked[done : done + batch.height])
        done += batch.height
        yield batch.with_columns(here).filter(pl.col(RANK).is_between(stretch.start, stretch.stop, closed="left"))


def _in_memory(source: Path, ranked: NDArray[np.int64], stretch: range) -> pl.DataFrame:
    import polars as pl

    empty = scan_table(source).head(0).collect().with_columns(pl.Series(RANK, [], dtype=pl.Int64))
    return pl.concat([empty, *_chosen(source, ranked, stretch)]).sort(RANK).drop(RANK)


def _parts(source: Path, ranked: NDArray[np.int64], stretch: range, step: int, folder: Path) -> list[Path]:
    """Writes the rows of a stretch in parts, each of `step` ranks and in their order; returns the files, in order."""
    import polars as pl

    for number, rows in enumerate(_chosen(source, ranked, stretch)):
        parts = rows.with_columns(((pl.col(RANK) - stretch.start) // step).alias(PART))
        for (part,), group in parts.partition_by(PART, as_dict=True, include_key=False).items():
            (folder / str(part)).mkdir(exist_ok=True)
            group.write_ipc(folder / str(part) / f"{number:09}.arrow")
    made = []
    for part in range(-(-len(stretch) // step)):
        files = sorted((folder / str(part)).iterdir())
        ordered = pl.concat([pl.read_ipc(file) for file in files]).sort(RANK).drop(RANK)
        for file in files:
            file.unlink()
        made.append(folder / f"{part}.arrow")
        ordered.write_ipc(made[-1], record_batch_size=RECORD_BATCH_ROWS)
    return made
