"""The first rows of a table.

Contract: rows keep their order; the table is streamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.unchanged import columns

__all__ = ["columns", "rows", "take"]


def take(context: Context) -> None:
    """Writes these rows."""
    write_table(scan_table(context.input()).head(context.params["n"]), context.output())
    context.facts["rows"] = row_count(context.output())


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows."""
    have = inputs.get("table")
    return {"table": None if have is None else min(have, params["n"])}
