"""A table without repeated rows.

Contract: of rows that are the same, the first stays; rows keep their order. Rows are the same where the named columns
are, null like null; `near` instead compares one column of text (`near_duplicates`). The table is streamed: in memory
are 16 bytes a row, two hashes of 64 bits of which both must agree, and while they are sorted as much again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import require_columns, row_count, scan_table
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.masks import marked_columns, write_kept, write_marked
from dreamsmk.tasks.shaping.near_duplicates import Near, first_like

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Any two numbers: what a hash is depends on them, and what is a duplicate does not.
SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)


def deduplicate(context: Context) -> None:
    """Writes the rows that repeat no other, or all rows with a mark."""
    import numpy as np
    import polars as pl

    source, params = context.input(), context.params
    have = scan_table(source).collect_schema().names()
    _check(params)
    marked_columns(have, params["mark"])
    if params["near"] is None:
        first = first_equal(source, params["columns"] or have)
    else:
        near = Near(**params["near"])
        equal = first_equal(source, [near.column])
        first = first_like(source, near, equal, folder=context.output().parent, progress=context.progress)
    kept = first == np.arange(len(first))
    if params["mark"] is None:
        write_kept(source, kept, context.output())
    else:
        mark = pl.Series(params["mark"], first, dtype=pl.Int64)
        write_marked(source, mark.set(pl.Series(kept), None), context.output())
    context.facts["rows"] = row_count(context.output())
    context.facts["duplicate_rows"] = int(len(first) - np.count_nonzero(kept))


def first_equal(source: Path, columns: Sequence[str]) -> NDArray[np.int64]:
    """Returns, for each row, the first row that has the same values in some columns, from 0; of the shape (rows,)."""
    import numpy as np

    require_columns(source, columns)
    pairs = np.empty((2, row_count(source)), dtype=np.uint64)
    done = 0
    for batch in batches_of(source, bounded_batch_rows(source)):
        chosen = batch.select(columns)
        for hashes, seed in zip(pairs, SEEDS, strict=True):
            hashes[done : done + batch.height] = chosen.hash_rows(seed).to_numpy()
        done += batch.height
    # stable: the first row of each group is the first in the table
    order = np.lexsort(pairs)
    is_new = np.ones(len(order), dtype=np.bool_)
    if len(order):
        is_new[1:] = (pairs[0][order[1:]] != pairs[0][order[:-1]]) | (pairs[1][order[1:]] != pairs[1][order[:-1]])
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[is_new][np.cumsum(is_new) - 1]
    return first


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns: those of the input, and the mark.

    Raises:
        SettingsError: Both `columns` and `near` are given, or the table has a column of the mark's name.
    """
    _check(params)
    have = inputs.get("table")
    return {"table": None if have is None else marked_columns(have, params["mark"])}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows, which is known before where none is dropped."""
    have = inputs.get("table")
    return {"table": have if params["mark"] is not None or have == 0 else None}


# Any: JSON.
def _check(params: Mapping[str, Any]) -> None:
    if params["columns"] and params["near"] is not None:
        raise SettingsError("deduplicate takes either columns or near, and both are given", where="params")
