"""Verdicts beside the rows that they are about.

Contract: a judging task keeps every column of its table, and adds its own. Rows are written as they come and in order,
so that a table of any length needs little memory. A row whose call failed has nulls in the added columns, and says why
in the column `failure`; without that column a failed row fails the job. Where a row takes several calls, what is kept
of them is a list, in their order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.requests import Failure, Response
from dreamsmk.tables import TableWriter, scan_table
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.naming import distinct, renamed
from dreamsmk.tasks.prompting.generations import (
    FAILURE,
    GENERATIONS,
    failure_text,
    kept_names,
    reply_column,
    reply_types,
)

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

_BATCH_ROWS = 4096

# The number of a row and its replies, all of them, to the cells of the added columns. Any: cells.
Read = Callable[[int, Sequence[Response]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a judging task adds to a row.

    Attributes:
        types: The type of each added column, by name.
        read: Makes the cells of a row out of its replies.
        calls: How many calls a row takes.
    """

    types: Mapping[str, pl.DataType]
    read: Read
    calls: int = 1


# Any: JSON.
def beside_columns(
    params: Mapping[str, Any], source: Sequence[str] | None, added: Sequence[str] | None, *, is_marked: bool = True
) -> list[str] | None:
    """Returns the names of a judged table's columns: those of the source, then the added ones, as renamed by `columns`.

    Args:
        params: The rule's parameters, of which `columns`, `keep`, `logprobs` and `max_failures` are used.
        source: The columns of the table.
        added: The columns of the verdict.
        is_marked: Whether failed rows stay, and say why.

    Returns:
        The names; None where they are not known yet.
    """
    new = None if added is None else _added(params, added, is_marked=is_marked)
    return None if source is None or new is None else distinct([*source, *new])


def write_beside(
    context: Context, asked: Asked, verdicts: Verdicts, target: Path, *, only: str | None = None
) -> tuple[int, int]:
    """Asks, and writes the table with the verdicts.

    Args:
        context: The task's; its input is `table`.
        asked: What is asked, row by row.
        verdicts: What is added.
        target: The table to write.
        only: A verdict of true or false that stays out of the table: rows for which it is not true are left out, and
            failed ones too.

    Returns:
        How many rows were written, and how many failed.
    """
    source, params = context.input(), context.params
    types = dict(scan_table(source).collect_schema())
    shown = [name for name in verdicts.types if name != only]
    names = _added(params, shown, is_marked=only is None)
    distinct([*types, *names])
    known = {name: _type(name, verdicts) for name in names.values()}
    outcomes = _rows(asked.outcomes(), verdicts.calls)
    prompts = iter(asked.prompts)
    failed = first = 0
    with TableWriter(target, columns=types | {new: known[name] for new, name in names.items()}) as table:
        for batch in batches_of(source, min(_BATCH_ROWS, bounded_batch_rows(source))):
            rows = list(itertools.islice(outcomes, batch.height))
            failed += sum(any(isinstance(outcome, Failure) for outcome in row) for row in rows)
            cells = _cells(rows, verdicts, [*known, only] if only else list(known), prompts, first)
            first += batch.height
            made = batch.hstack([_series(new, cells[name], known[name]) for new, name in names.items()])
            table.write(made if only is None else made.filter(_series("", [cell is True for cell in cells[only]])))
        # the engine says at its end whether too many failed
        assert next(outcomes, None) is None
    return table.rows, failed


# Any: JSON.
def _added(params: Mapping[str, Any], added: Sequence[str], *, is_marked: bool) -> dict[str, str]:
    """Returns the added columns: their names before renaming, by their names."""
    columns = [*added, *kept_names(params), *([GENERATIONS] if GENERATIONS in params["keep"] else [])]
    if params["max_failures"] and is_marked:
        columns.append(FAILURE)
    return dict(zip(renamed(columns, params), columns, strict=True))


def _rows(outcomes: Iterator[Response | Failure], calls: int) -> Iterator[tuple[Response | Failure, ...]]:
    while row := tuple(itertools.islice(outcomes, calls)):
        yield row


# Any: cells.
def _cells(
    rows: Sequence[tuple[Response | Failure, ...]],
    verdicts: Verdicts,
    names: Sequence[str],
    prompts: Iterator[str],
    first: int,
) -> dict[str, list[Any]]:
    """Returns the cells of each added column; `first` is the number of the first of the rows."""
    replies = [[outcome for outcome in row if isinstance(outcome, Response)] for row in rows]
    read = [
        verdicts.read(number, row) if len(row) == verdicts.calls else {} for number, row in enumerate(replies, first)
    ]
    flat = [outcome for row in rows for outcome in row]
    asked = list(itertools.islice(prompts, len(flat)))
    cells: dict[str, list[Any]] = {}
    for name in names:
        if name in verdicts.types:
            cells[name] = [row.get(name) for row in read]
        elif name == FAILURE:
            texts = [[text for outcome in row if (text := failure_text(outcome))] for row in rows]
            cells[name] = ["; ".join(dict.fromkeys(said)) or None for said in texts]
        else:
            column = asked if name == "prompts" else reply_column(name, flat)
            many = verdicts.calls
            cells[name] = column if many == 1 else [column[i : i + many] for i in range(0, len(column), many)]
    return cells


def _type(name: str, verdicts: Verdicts) -> pl.DataType:
    import polars as pl

    if name in verdicts.types:
        return verdicts.types[name]
    kept = reply_types(None).get(name, pl.String())
    assert isinstance(kept, pl.DataType)
    return kept if verdicts.calls == 1 or name == FAILURE else pl.List(kept)


# Any: cells.
def _series(name: str, cells: Sequence[Any], dtype: pl.DataType | None = None) -> pl.Series:
    import polars as pl

    return pl.Series(name, cells, dtype=dtype or pl.Boolean())
