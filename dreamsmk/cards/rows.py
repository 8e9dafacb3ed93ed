"""How many rows of a table came, went or moved between two versions of it.

Contract: both tables are read as they are; tables whose columns differ are not compared row by row, and neither are
tables that together are larger than `LIMIT_BYTES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LIMIT_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What happened to a table.

    Attributes:
        added: Rows of the second that the first does not have, counting repetitions.
        removed: Rows of the first that the second does not have.
        columns_added: Columns that only the second has, or that changed their type.
        columns_removed: Columns that only the first has, or that changed their type.
    """

    added: int = 0
    removed: int = 0
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.columns_added or self.columns_removed:
            parts = [(self.columns_removed, "without"), (self.columns_added, "with")]
            return ", ".join(f"{word} the column {', '.join(names)}" for names, word in parts if names)
        if not self.added and not self.removed:
            return "the same rows in another order"
        counts = [(self.removed, "removed"), (self.added, "added")]
        return ", ".join(f"{count:,} row{'' if count == 1 else 's'} {word}" for count, word in counts if count)

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the counts as JSON."""
        return asdict(self)


def row_changes(before: Path, after: Path) -> RowChanges | None:
    """Compares two versions of a table, rows in any order.

    Args:
        before: A Parquet file, whatever its suffix is.
        after: A table of any kind.

    Returns:
        The changes; None where they cannot be told: a file is gone, is no table, or is too large.
    """
    import polars as pl

    from dreamsmk.errors import TableError
    from dreamsmk.tables import read_table

    try:
        if before.stat().st_size + after.stat().st_size > LIMIT_BYTES:
            return None
        old, new = pl.read_parquet(before), read_table(after)
        return _columns(dict(old.schema), dict(new.schema)) or _rows(old, new)
    except (OSError, TableError, pl.exceptions.PolarsError):
        return None


# Any: polars data types.
def _columns(old: Mapping[str, Any], new: Mapping[str, Any]) -> RowChanges | None:
    removed = tuple(name for name, kind in old.items() if new.get(name) != kind)
    added = tuple(name for name, kind in new.items() if old.get(name) != kind)
    return RowChanges(columns_added=added, columns_removed=removed) if added or removed else None


# Any: polars frames, which are imported where they are used.
def _rows(old: Any, new: Any) -> RowChanges:
    import polars as pl

    names = old.columns
    before, after = (frame.select(row=pl.struct(names).hash()).group_by("row").len(name="rows") for frame in (old, new))
    both = before.join(after, on="row", how="full", coalesce=True, suffix="_after").fill_null(0)
    grown = both["rows_after"].cast(pl.Int64) - both["rows"].cast(pl.Int64)
    return RowChanges(added=int(grown.clip(lower_bound=0).sum()), removed=int((-grown).clip(lower_bound=0).sum()))
