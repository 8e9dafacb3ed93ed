"""The rows of a table in an order drawn from a seed.

Contract: the order is a function of the seed and the number of rows alone; see `permutation`.
"""

from __future__ import annotations

from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.permutation import ranks, write_ranked
from dreamsmk.tasks.unchanged import columns, rows

__all__ = ["columns", "rows", "shuffle"]


def shuffle(context: Context) -> None:
    """Writes all rows, shuffled."""
    source = context.input()
    height = row_count(source)
    ranked = ranks(context.params["seed"], height)
    context.facts["rows"] = write_ranked(source, ranked, range(height), context.output())
