"""The rows of a table in an order drawn from a seed.

Contract: the order is a function of the seed and the number of rows alone; see `permutation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.permutation import ranks, write_ranked


def shuffle(context: Context) -> None:
    """Writes all rows, shuffled."""
    source = context.input()
    height = row_count(source)
    ranked = ranks(context.params["seed"], height)
    context.facts["rows"] = write_ranked(source, ranked, range(height), context.output())


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns: those of the input."""
    have = inputs.get("table")
    return {"table": None if have is None else list(have)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: that of the input."""
    return {"table": inputs.get("table")}
