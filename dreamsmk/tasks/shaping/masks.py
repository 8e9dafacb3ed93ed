"""A table without the rows that a task leaves out, or with a column beside it that says which these are.

Contract: rows keep their order; the table is streamed, and only what stands for a row here is in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.errors import SettingsError
from dreamsmk.tables import scan_table, write_table

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

# A column that a user's table does not have.
KEPT = "\0kept"


def write_kept(source: Path, kept: NDArray[np.bool_], target: Path) -> None:
    """Writes the rows of a table for which `kept`, of the shape (rows,), is true."""
    import polars as pl

    beside = pl.DataFrame({KEPT: pl.Series(kept, dtype=pl.Boolean)}).lazy()
    joined = pl.concat([scan_table(source), beside], how="horizontal")
    write_table(joined.filter(pl.col(KEPT)).drop(KEPT), target)


def write_marked(source: Path, mark: pl.Series, target: Path) -> None:
    """Writes a table with one more column, which has as many values as the table has rows."""
    import polars as pl

    write_table(pl.concat([scan_table(source), mark.to_frame().lazy()], how="horizontal"), target)


def marked_columns(have: Sequence[str], mark: str | None) -> list[str]:
    """Returns the names of a table's columns with that of the mark, where there is one.

    Raises:
        SettingsError: The table has a column of that name.
    """
    if mark is not None and mark in have:
        raise SettingsError(f"the table has a column {mark!r} already", where="params.mark", hint="give another name")
    return [*have, *([] if mark is None else [mark])]
