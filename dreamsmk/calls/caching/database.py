"""What the call cache wants of a database, and the rows that it keeps there.

Contract: one table of calls, whose columns are those of `CallRow`, a number that grows with the order of arrival,
`base_url`, and the tokens and other counts of `COUNTS`. What differs between databases stands in `Dialect` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from dreamsmk.calls.caching.claims import ClaimBook
from dreamsmk.requests import Response

# Columns, in the order of `CallRow`.
COLUMNS = ("key", "request", "response", "created_at", "rule", "model", "provider")
# Further columns: what is counted of a reply, so that statistics read no JSON.
COUNTS = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "retries",
    "latency_seconds",
)
# All that is stored of a call, in the order of `stored_values`.
STORED = (*COLUMNS, "base_url", *COUNTS)


class Row(NamedTuple):
    """A call as it goes into the table: `COLUMNS`, the endpoint where it is not the usual one, and the reply."""

    key: str
    request: str
    response: str
    created_at: str
    rule: str
    model: str
    provider: str
    base_url: str | None
    reply: Response


# Any: texts and numbers.
def stored_values(row: Row) -> tuple[Any, ...]:
    """Returns the values of the columns `STORED`."""
    reply = row.reply
    usage = reply.usage
    return (
        *row[:-1],
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        reply.retries,
        reply.latency_seconds,
    )


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database says what SQL has no one word for.

    Attributes:
        mark: A value in a statement.
        calls: The table of calls.
        number: The column that grows with the order of arrival.
        has_key: The condition that the column `key` is among some keys.
        keys: Returns the values of that condition.
        begins: The condition that the column `key` begins with a text.
        start: Returns the values of that condition.
        by_key: The order of the keys.
        position: The function that gives the place of a text in another, 0 for none.
    """

    mark: str
    calls: str
    number: str
    has_key: str
    keys: Callable[[Sequence[str]], list[object]]
    begins: str
    start: Callable[[str], list[object]]
    by_key: str
    position: str


class Database(Protocol):
    """A table of calls. Every method may be called from any thread, and raises `CacheError` alone."""

    dialect: Dialect

    def book(self) -> ClaimBook:
        """Returns where claims on calls are written down; opens nothing yet."""
        ...

    # Any: the values of the columns that are asked for.
    def select(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        ...

    def store(self, groups: Sequence[tuple[bool, Sequence[Row]]]) -> int:
        """Makes rows durable, all or none, in their order.

        Args:
            groups: Rows, and whether they replace what is stored under their keys; else what is stored stays.

        Returns:
            How many were written, rather than stored already.
        """
        ...

    def delete(self, statement: str, values: Sequence[object]) -> int:
        """Deletes rows, durably, and returns how many there were."""
        ...

    def vacuum(self) -> None:
        """Gives the space of deleted rows back to the file system."""
        ...

    def close(self) -> None:
        """Closes; harmless when closed already."""
        ...
