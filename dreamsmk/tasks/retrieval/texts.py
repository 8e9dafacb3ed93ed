"""The texts of a table as tasks put them to a model that reads one text at a time.

Contract: texts are read from the table as they are asked for, some thousand rows at once, however large it is; what
cannot be read as text is found, and named by its row, before the first of them is. Numbers are written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from dreamsmk.errors import TableError
from dreamsmk.requests import Failure, Judge, Request, Response, Wanted
from dreamsmk.tables import require_columns, scan_table
from dreamsmk.tables.sources import reading
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows
from dreamsmk.tasks.context import Asked, Model
from dreamsmk.tasks.prompting.generations import is_text

_BATCH_ROWS = 1024
# What is asked where a table has no text, and the shape of a reply must be known all the same.
PROBE = "text"


class Texts(Sequence[str]):
    """The texts of some columns of a table, row by row, without those that are null.

    Args:
        path: The table.
        columns: The columns; the cells of a row follow one another.
        keeps_nulls: Whether a row may be without a text.

    Raises:
        TableError: There is no such column, it holds no texts, or a text is null and may not be.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, keeps_nulls: bool = False) -> None:
        import polars as pl

        require_columns(path, columns)
        frame = scan_table(path).select(list(dict.fromkeys(columns)))
        for name, dtype in frame.collect_schema().items():
            if not is_text(dtype):
                raise TableError(f"the column {name!r} is of type {dtype}, not text", where=str(path))
        with reading(path):
            counts = frame.select(pl.all().null_count(), pl.len().alias("\x00")).collect(engine="streaming")
        nulls = counts.row(0, named=True)
        for name in [] if keeps_nulls else columns:
            if nulls[name]:
                raise _nulls(path, name, nulls[name])
        self._path = path
        self._columns = list(columns)
        self._length: int = sum(nulls["\x00"] - nulls[name] for name in columns)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        import polars as pl

        cells = [pl.col(name).cast(pl.String).alias(str(place)) for place, name in enumerate(self._columns)]
        for frame in batches_of(self._path, batch_rows(self._path), list(dict.fromkeys(self._columns))):
            for row in frame.select(cells).iter_rows():
                yield from (text for text in row if text is not None)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Returns a text, or several; the whole column is read for it."""
        return list(self)[index]


def batch_rows(path: Path) -> int:
    """Returns how many rows of a table are worked on at once: few where they are large."""
    return min(_BATCH_ROWS, bounded_batch_rows(path))


def ask_of_texts(
    model: Model,
    texts: Sequence[str],
    wanted: Wanted,
    *,
    prefix: str = "",
    judge: Judge | None = None,
    max_failures: float = 0,
) -> Asked:
    """Returns what a model is asked: one request a text.

    Args:
        model: The model.
        texts: The texts.
        wanted: What is wanted of them.
        prefix: What is put before each text.
        judge: Looks at each reply.
        max_failures: How many texts may fail: a number, or below 1 a share of them.
    """
    requests = model.requests((prefix + text for text in texts), wanted=wanted)
    return Asked(model, texts, requests, judge, max_failures)


def refuse_cut(request: Request, response: Response, earlier: int) -> Failure | None:
    """Finds that a text was longer than the model reads, so that what came of it is that of its beginning alone."""
    if response.finish_reason != "length":
        return None
    return Failure("length", "the text is longer than the model reads (truncate: true cuts it)", response=response)


# Any: cells.
def counted_cut(outcomes: Iterator[Response | Failure], facts: dict[str, Any]) -> Iterator[Response | Failure]:
    """Hands outcomes on, and counts in the facts of a task how many texts were cut."""
    facts["truncated"] = 0
    for outcome in outcomes:
        facts["truncated"] += isinstance(outcome, Response) and outcome.finish_reason == "length"
        yield outcome


def _nulls(path: Path, column: str, count: int) -> TableError:
    import polars as pl

    with reading(path):
        mask = scan_table(path).select(pl.col(column).is_null().arg_true().head(3)).collect(engine="streaming")
    rows = ", ".join(str(row) for row in mask.to_series())
    return TableError(
        f"the column {column!r} has {count} empty cells",
        where=f"{path}, row {rows} (from 0)",
        hint="fill or drop these rows before they are put to a model",
    )
