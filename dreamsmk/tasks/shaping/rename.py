"""Columns of a table under other names.

Contract: rows, types and the order of the columns stay as they are; the table is streamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import TableError, nearest
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.naming import distinct
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "rename", "renamed", "rows"]


def rename(context: Context) -> None:
    """Writes the table with the new names."""
    frame = scan_table(context.input())
    renamed(context.params, frame.collect_schema().names())
    # strict would also refuse; the check above says where and what is near
    write_table(frame.rename(context.params["columns"]), context.output())
    context.facts["rows"] = row_count(context.output())


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns under their new names.

    Raises:
        TableError: The table has no such column.
        SettingsError: Two columns would have the same name.
    """
    have = inputs.get("table")
    return {"table": None if have is None else renamed(params, have)}


# Any: JSON.
def renamed(params: Mapping[str, Any], have: Sequence[str]) -> list[str]:
    """Returns the names after the change, checked."""
    for name in params["columns"]:
        if name not in have:
            raise TableError(
                f"the table has no column {name!r}", where=f"params.columns.{name}", hint=nearest(name, have)
            )
    return distinct((params["columns"].get(name, name) for name in have), where="params.columns")
