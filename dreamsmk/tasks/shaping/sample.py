"""Some rows of a table, drawn without replacement from a seed.

Contract: the rows that are drawn keep their order, and are the same for the same seed and number of rows; a larger
sample of the same seed holds the smaller one. The table is streamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.masks import write_kept
from dreamsmk.tasks.shaping.permutation import ranks
from dreamsmk.tasks.unchanged import columns

__all__ = ["columns", "rows", "sample", "sample_rows"]


def sample(context: Context) -> None:
    """Writes the rows that are drawn."""
    height = row_count(context.input())
    wanted = sample_rows(context.params, height)
    write_kept(context.input(), ranks(context.params["seed"], height) < wanted, context.output())
    context.facts["rows"] = wanted


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows."""
    have = inputs.get("table")
    return {"table": None if have is None else sample_rows(params, have)}


# Any: JSON.
def sample_rows(params: Mapping[str, Any], have: int) -> int:
    """Returns how many rows of `have` are drawn.

    Raises:
        SettingsError: Both a number and a share are given, or neither, or there are fewer rows.
    """
    count, share = params["n"], params["fraction"]
    if (count is None) == (share is None):
        raise SettingsError("sample takes either n or fraction", where="params", hint="give one of the two")
    if share is not None:
        return round(have * float(share))
    if count > have:
        raise SettingsError(
            f"{count} rows are to be drawn, and the table has {have}",
            where="params.n",
            hint="give fewer, or a fraction",
        )
    return int(count)
