"""A user's function over the rows of a table.

Contract: rows keep their order, with any number of worker processes. The table is read, worked on and written in
batches, of which only a few are in memory at once. A failure names the row and the place in the user's code. Where the
columns are declared, what a function returns is brought to their types if nothing is lost by it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import DreamsmkError, SettingsError, TableError
from dreamsmk.tables import TableWriter, read_table, row_count
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows, compact
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.functions import failure_of, load_function
from dreamsmk.tasks.workers import in_order

if TYPE_CHECKING:
    import polars as pl

ROWS_AT_ONCE = 1_000
BATCH_ROWS = 10_000

# Any: a cell may be whatever a function returns.
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a row or a batch; a value, for it crosses processes.

    Attributes:
        row: The row in its batch, from 0; None for the batch itself.
        what: One sentence.
        place: Where in the user's code.
    """

    row: int | None
    what: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class ByRow:
    """Calls a function for each row of a batch, in whichever process it is asked to."""

    reference: str
    base: Path

    def __call__(self, rows: list[Row]) -> list[Row] | Failure:
        """Returns the rows that the function made of these."""
        function = load_function(self.reference, self.base)
        made: list[Row] = []
        for number, row in enumerate(rows):
            try:
                returned = function(row)
            except Exception as exc:  # noqa: BLE001 - user code may raise anything; it becomes an error of ours
                place, reason = failure_of(exc, self.base)
                return Failure(number, reason, place)
            made_here = [] if returned is None else returned if isinstance(returned, list) else [returned]
            for each in made_here:
                if not isinstance(each, Mapping):
                    what = f"it returned {_kind(each)}, not a dictionary, a list of them, or None"
                    return Failure(number, what)
                if made and each.keys() != made[0].keys():
                    return Failure(number, f"it returned the columns {_names(each)}, and before {_names(made[0])}")
                made.append(dict(each))
        return made


@dataclass(frozen=True, slots=True)
class ByBatch:
    """Calls a function for a batch, in whichever process it is asked to."""

    reference: str
    base: Path

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame | Failure:
        """Returns the frame that the function made of this one."""
        import polars as pl

        function = load_function(self.reference, self.base)
        try:
            returned = function(batch)
        except Exception as exc:  # noqa: BLE001 - as above
            place, reason = failure_of(exc, self.base)
            return Failure(None, reason, place)
        if not isinstance(returned, pl.DataFrame):
            return Failure(None, f"it returned {_kind(returned)}, not a polars DataFrame")
        return compact(returned) if returned.height < batch.height else returned


@dataclass(frozen=True, slots=True)
class Packed:
    """Hands on what work made as bytes, so that what cannot be pickled is a failure of its batch."""

    work: ByRow | ByBatch

    # Any: rows or a frame, as the work wants.
    def __call__(self, batch: Any) -> bytes:
        """Returns what the work made of a batch, pickled."""
        made = self.work(batch)
        try:
            return pickle.dumps(made)
        except Exception as exc:  # noqa: BLE001 - a value's own code may raise anything
            return pickle.dumps(_unpicklable(made, exc))


def map_rows(context: Context) -> None:
    """Writes what the user's function makes of the table."""
    params = context.params
    is_by_row = params["by"] == "row"
    if is_by_row and params["batch_rows"] is not None:
        raise SettingsError("batch_rows is only for by: batch", where="params.batch_rows", hint="leave it out")
    base, source = Path.cwd(), context.input()
    reference = params["function"]
    load_function(reference, base)  # so that what is wrong with the file is said before any worker starts
    # which rows are worked on at once decides nothing, by row: few where they are large
    by_row = min(ROWS_AT_ONCE, bounded_batch_rows(source)) if is_by_row else 0
    size = by_row or params["batch_rows"] or BATCH_ROWS
    total, done = row_count(source), 0
    batches = batches_of(source, size)
    work: Any = ByRow(reference, base) if is_by_row else ByBatch(reference, base)  # Any: of rows or of frames
    asked: Iterable[Any] = (batch.to_dicts() for batch in batches) if is_by_row else batches  # Any: as above
    if not total and not is_by_row and params["columns"] is None:
        asked = [read_table(source)]  # for the columns that the function would give
    columns = _Columns(reference, params["columns"])
    processes = min(context.threads, -(-total // size))
    with TableWriter(context.output(), columns=params["columns"]) as table:
        for handed in in_order(Packed(work) if processes > 1 else work, asked, processes=processes):
            made = pickle.loads(handed) if isinstance(handed, bytes) else handed
            start, done = done, min(done + size, total)
            where = f"{source}, rows {start} to {done - 1} (from 0)"
            if isinstance(made, Failure):
                raise _error(
                    reference, made, where if made.row is None else f"{source}, row {start + made.row} (from 0)"
                )
            columns.write(table, made if total or isinstance(made, list) else made.clear(), where)
            context.progress.update(done, total, rows=table.rows)
        columns.require(str(source), total)
        context.facts["rows"] = table.rows


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns, where they are declared."""
    return {"table": list(params["columns"]) if params["columns"] else None}


# Any: JSON.
def check_row_wise(params: Mapping[str, Any]) -> None:
    """Raises where the function sees more than one row at once, or pieces could have columns of different types.

    Raises:
        SettingsError: As said.
    """
    if params.get("by", "row") != "row":
        raise SettingsError("a function that takes batches cannot be made in shards", where="params.by")
    if not params.get("columns"):
        raise SettingsError(
            "in shards each piece has to know its columns",
            where="params.columns",
            hint='declare them: columns={"name": "String", …}',
        )


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that the rows are not known before the function is called."""
    return {"table": None}


class _Columns:
    """Checks that a function's columns are always the same, and those that were declared."""

    def __init__(self, reference: str, declared: Mapping[str, str] | None) -> None:
        self._reference = reference
        self._declared = declared
        self._names = list(declared) if declared else []

    def write(self, table: TableWriter, made: list[Row] | pl.DataFrame, where: str) -> None:
        """Writes what came of one batch."""
        if isinstance(made, list):
            if not made:
                return
            names = list(made[0])
        else:
            names = made.columns
        self._names = self._names or names
        if set(names) != set(self._names):
            raise TableError(
                f"{self._reference} returned the columns {_names(names)}, and not {_names(self._names)}",
                where=where,
                hint="return the same columns for every row, None where there is no value",
            )
        if isinstance(made, list):
            table.write({name: [row[name] for row in made] for name in self._names})
        else:
            table.write(self._typed(made, where))

    def _typed(self, frame: pl.DataFrame, where: str) -> pl.DataFrame:
        """Returns a frame in the declared types."""
        import polars as pl

        for name, declared in (self._declared or {}).items():
            dtype, before = getattr(pl, declared), frame[name]
            if before.dtype == dtype:
                continue
            try:
                now = before.cast(dtype)
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:
                reason = (str(exc).splitlines() or [type(exc).__name__])[0]
                raise TableError(self._misfit(name, before, reason), where=where) from exc
            if before.dtype.is_float() and now.dtype.is_integer() and not before.eq_missing(now).all():
                raise TableError(self._misfit(name, before, "it has fractions"), where=where, hint="round it")
            frame = frame.with_columns(now)
        return frame

    def _misfit(self, name: str, values: pl.Series, reason: str) -> str:
        declared = (self._declared or {})[name]
        return f"{self._reference} returned the column {name!r} as {values.dtype}, and not {declared}: {reason[:150]}"

    def require(self, source: str, rows: int) -> None:
        """Raises for a table without rows whose columns nobody knows."""
        if not self._names:
            what = "the table has no rows" if not rows else f"{self._reference} dropped all {rows} rows"
            raise TableError(
                f"{what}, so that the columns of the result are not known",
                where=source,
                hint='declare them: columns={"name": "String", …}',
            )


def _unpicklable(made: list[Row] | pl.DataFrame | Failure, error: Exception) -> Failure:
    """Says which column has a value that cannot go from one process to another."""
    column = ""
    for name, value in (cell for row in made for cell in row.items()) if isinstance(made, list) else ():
        try:
            pickle.dumps(value)
        except Exception:  # noqa: BLE001 - as above
            column = f", in column {name!r}"
            break
    return Failure(None, f"it returned a value that cannot go from one process to another{column}: {error}")


def _error(reference: str, failure: Failure, where: str) -> DreamsmkError:
    place = f", in {failure.place}" if failure.place else ""
    return TableError(f"{reference} failed: {failure.what}", where=f"{where}{place}")


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def _names(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names) or "none"
