"""The pieces of a table, put together again.

Contract: as `concat` where all tables have the same columns and types.
"""

from __future__ import annotations

from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.concat import write_concatenated
from dreamsmk.tasks.unchanged import columns, rows

__all__ = ["columns", "gather", "rows"]


def gather(context: Context) -> None:
    """Writes all rows of all pieces, in order."""
    write_concatenated(context.inputs["table"], context.output())
    context.facts["rows"] = row_count(context.output())
