"""Tables whose rows are made from one reply each and from what was worked out beside it.

Contract: rows are written as they are made, and nothing is left of a table whose making fails. Names, types and order
of the columns are the same for no rows as for many. Where a row has no reply, `keep` columns are null, and `failure`,
which is there with `max_failures`, says why.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import ProviderError
from dreamsmk.requests import Failure, Response
from dreamsmk.tables import TableWriter
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.prompting.generations import failure_text, reply_column, reply_types

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 4096
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class MadeRows:
    """Rows of a table: some of them, or all.

    Attributes:
        columns: What was worked out, by the name of the column before it is renamed.
        types: The types of those columns that are not text and do not say it themselves (`dtype`).
        outcomes: The reply that each row is made from, or why there is none.
        prompts: What each of these replies answers.
    """

    # Any: cells.
    columns: Mapping[str, Sequence[Any]]
    types: Mapping[str, pl.DataType]
    outcomes: Sequence[Response | Failure]
    prompts: Sequence[str]


def write_made(context: Context, names: Sequence[str], made: Iterable[MadeRows]) -> None:
    """Writes a table.

    Args:
        context: The task's; its parameter `columns` has the new names of columns.
        names: The columns of the table, renamed, in order.
        made: The rows, taken as they are written; those that come first, which may be none, say the types.
    """
    before = {new: name for name, new in context.params["columns"].items()}
    sources = {name: before.get(name, name) for name in names}
    parts = iter(made)
    first = next(parts)
    of_columns = {name: column.dtype for name, column in first.columns.items() if hasattr(column, "dtype")}
    types = reply_types(None) | dict(first.types) | of_columns
    with TableWriter(
        context.output(), columns={name: types.get(source, "String") for name, source in sources.items()}
    ) as table:
        for rows in itertools.chain([first], parts):
            for start in range(0, len(rows.outcomes), BATCH_ROWS):
                table.write(_cells(rows, sources, slice(start, start + BATCH_ROWS)))
    context.facts["rows"] = table.rows


# Any: cells.
def _cells(rows: MadeRows, sources: Mapping[str, str], part: slice) -> dict[str, Sequence[Any]]:
    given, replies = {"prompts": rows.prompts, **rows.columns}, rows.outcomes[part]
    return {
        name: given[source][part] if source in given else reply_column(source, replies)
        for name, source in sources.items()
    }


@dataclass(slots=True)
class FailedRows:
    """Which of the rows so far have no result.

    Attributes:
        rows: How many rows there are.
        failed: How many of them failed.
        first: The first of these.
        reasons: Why they failed, each reason once, in their order.
    """

    rows: int = 0
    failed: int = 0
    first: list[int] = field(default_factory=list)
    reasons: dict[str, None] = field(default_factory=dict)

    def add(self, outcomes: Sequence[Response | Failure]) -> None:
        """Counts further rows."""
        for row, outcome in enumerate(outcomes, start=self.rows):
            if (text := failure_text(outcome)) is not None:
                self.failed += 1
                if len(self.first) < _SHOWN:
                    self.first.append(row)
                if len(self.reasons) < _SHOWN:
                    self.reasons[text] = None
        self.rows += len(outcomes)

    def check(self, max_failures: float, *, hint: str) -> None:
        """Raises `ProviderError` where more rows failed than may: a number of them, or below 1 a share."""
        limit = max_failures if max_failures >= 1 else max_failures * self.rows
        # shares are floats: 0.29 of 100 rows is 29 rows
        if self.failed <= limit + 1e-9:
            return
        rows = ", ".join(map(str, self.first)) + (", …" if self.failed > _SHOWN else "")
        raise ProviderError(
            f"{self.failed} of {self.rows} rows have no result: {'; '.join(self.reasons)}",
            where=f"row{'s' if self.failed > 1 else ''} {rows} (from 0)",
            hint=hint,
        )
