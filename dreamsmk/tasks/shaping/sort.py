"""A table in the order of some columns.

Contract: the sort is stable: rows that are equal in all of the columns keep their order. Only the columns to sort by
are in memory as a whole; the rows go to their places by way of files where there are too many of them (`permutation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import read_table
from dreamsmk.tasks import unchanged
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.permutation import write_ranked
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "directions", "rows", "sort"]


def sort(context: Context) -> None:
    """Writes the rows in order."""
    import numpy as np
    import polars as pl

    source, params = context.input(), context.params
    keys = read_table(source, columns=params["by"])
    order = keys.select(
        pl.arg_sort_by(
            params["by"],
            descending=directions(params),
            nulls_last=params["nulls"] == "last",
            maintain_order=True,
        )
    ).to_series()
    ranked = np.empty(keys.height, dtype=np.int64)
    ranked[order.to_numpy()] = np.arange(keys.height, dtype=np.int64)
    del keys, order
    context.facts["rows"] = write_ranked(source, ranked, range(len(ranked)), context.output())


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns: those of the input.

    Raises:
        SettingsError: There are more or fewer directions than columns.
    """
    directions(params)
    return unchanged.columns(params, inputs)


# Any: JSON.
def directions(params: Mapping[str, Any]) -> list[bool]:
    """Returns whether each column is sorted from the largest to the smallest."""
    given, by = params["descending"], params["by"]
    if isinstance(given, bool):
        return [given] * len(by)
    if len(given) != len(by):
        raise SettingsError(
            f"there are {len(by)} columns to sort by, and {len(given)} directions",
            where="params.descending",
            hint="give one for all, or one for each",
        )
    return list(given)
