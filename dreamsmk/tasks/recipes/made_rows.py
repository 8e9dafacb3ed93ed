"""Tables whose rows are made from one reply each and from what was worked out beside it.

Contract: names, types and order of the columns are the same for no rows as for many. Where a row has no reply, `keep`
columns are null, and `failure`, which is there with `max_failures`, says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import ProviderError
from dreamsmk.requests import Failure, Response
from dreamsmk.tables import TableWriter
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.prompting.generations import failure_text, reply_column, reply_types

if TYPE_CHECKING:
    import polars as pl

_BATCH_ROWS = 4096
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class MadeRows:
    """The rows of a table, whole.

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

    def write(self, context: Context, names: Sequence[str]) -> None:
        """Writes the table.

        Args:
            context: The task's; its parameter `columns` has the new names of columns.
            names: The columns of the table, renamed, in order.
        """
        before = {new: name for name, new in context.params["columns"].items()}
        of_columns = {name: column.dtype for name, column in self.columns.items() if hasattr(column, "dtype")}
        types = reply_types(None) | dict(self.types) | of_columns
        sources = {name: before.get(name, name) for name in names}
        given = {"prompts": self.prompts, **self.columns}
        with TableWriter(
            context.output(), columns={name: types.get(source, "String") for name, source in sources.items()}
        ) as table:
            for start in range(0, len(self.outcomes), _BATCH_ROWS):
                part = slice(start, start + _BATCH_ROWS)
                batch = self.outcomes[part]
                table.write(
                    {
                        name: given[source][part] if source in given else reply_column(source, batch)
                        for name, source in sources.items()
                    }
                )
        context.facts["rows"] = len(self.outcomes)


def check_failed(outcomes: Sequence[Response | Failure], max_failures: float, *, hint: str) -> None:
    """Raises `ProviderError` where more rows failed than may: a number of them, or below 1 a share."""
    failed = [(row, text) for row, outcome in enumerate(outcomes) if (text := failure_text(outcome))]
    limit = max_failures if max_failures >= 1 else max_failures * len(outcomes)
    # shares are floats: 0.29 of 100 rows is 29 rows
    if len(failed) <= limit + 1e-9:
        return
    reasons = list(dict.fromkeys(text for _, text in failed))
    rows = ", ".join(str(row) for row, _ in failed[:_SHOWN]) + (", …" if len(failed) > _SHOWN else "")
    raise ProviderError(
        f"{len(failed)} of {len(outcomes)} rows have no result: {'; '.join(reasons[:_SHOWN])}",
        where=f"row{'s' if len(failed) > 1 else ''} {rows} (from 0)",
        hint=hint,
    )
