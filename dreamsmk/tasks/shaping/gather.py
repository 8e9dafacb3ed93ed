"""The pieces of a table, put together again.

Contract: as `concat` where all tables have the same columns and types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.concat import write_concatenated


def gather(context: Context) -> None:
    """Writes all rows of all pieces, in order."""
    write_concatenated(context.inputs["table"], context.output())
    context.facts["rows"] = row_count(context.output())


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns: those of the first piece."""
    have = inputs.get("table")
    return {"table": None if have is None else list(have)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: that of all pieces together."""
    return {"table": inputs.get("table")}
