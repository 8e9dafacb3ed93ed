"""What a task promises that leaves the columns of its table, or the number of its rows, as they are.

Contract: modules of such tasks hand these functions on as their own hooks; see `context`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: those of the input, of the first one where there are several."""
    have = inputs.get("table")
    return {"table": None if have is None else list(have)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: that of the input, of all of them where there are several."""
    return {"table": inputs.get("table")}
