"""Some columns of a table, in a given order.

Contract: rows stay as they are; the table is streamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import require_columns, row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "rows", "select"]


def select(context: Context) -> None:
    """Writes the columns that are wanted."""
    frame = scan_table(context.input())
    require_columns(context.input(), [*context.params["columns"], *context.params["exclude"]])
    write_table(frame.select(_wanted(context.params, frame.collect_schema().names())), context.output())
    context.facts["rows"] = row_count(context.output())


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns that are wanted.

    Raises:
        SettingsError: Both `columns` and `exclude` are given, or neither, or nothing is left.
    """
    have = inputs.get("table")
    if have is None:
        _check(params)
        return {"table": list(params["columns"]) or None}
    return {"table": _wanted(params, have)}


# Any: JSON.
def _wanted(params: Mapping[str, Any], have: Sequence[str]) -> list[str]:
    _check(params)
    if params["columns"]:
        return list(params["columns"])
    left = [name for name in have if name not in params["exclude"]]
    if not left:
        raise SettingsError("no column is left", where="params.exclude", hint="leave one in")
    return left


# Any: JSON.
def _check(params: Mapping[str, Any]) -> None:
    if bool(params["columns"]) == bool(params["exclude"]):
        fault = "both are given" if params["columns"] else "neither is given"
        raise SettingsError(f"select takes either columns or exclude, and {fault}", where="params")
