"""Writing a Parquet table batch by batch, in bounded memory.

Contract: the target is there, complete, when the block has ended without an error, and is untouched otherwise; nothing
else is left. All batches have the same columns. A column that is null in one batch takes its type from another; whole
numbers and floats become floats; any other change of type is an error. Batches above some size wait in files beside
the target, so that types and row groups are settled once, at the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dreamsmk.errors import TableError, nearest
from dreamsmk.tables.writer import replacing, row_group_rows, sink

if TYPE_CHECKING:
    import polars as pl

_SPILL_BYTES = 64 * 1024 * 1024


class TableWriter:
    """Writes a table batch by batch: `with TableWriter(path) as table: table.write({...})`.

    Args:
        path: The Parquet file to write.
        columns: The type of each column, as polars names it (`"String"`, `"Int64"`) or as a polars type. Given, all
            batches must have these columns and types, and a table without rows still has them. Else the types are
            those of the values.
    """

    def __init__(self, path: str | os.PathLike[str], *, columns: Mapping[str, str | pl.DataType] | None = None) -> None:
        self._path = Path(path)
        self._declared = None if columns is None else {name: _type_of(dtype) for name, dtype in columns.items()}
        self._types: dict[str, pl.DataType] | None = None
        self._waiting: list[pl.DataFrame] = []
        self._waiting_bytes = 0
        self._size_bytes = 0
        self._folder: Path | None = None
        self._parts: list[Path] = []
        self.rows = 0

    # Any: a cell may be whatever polars takes.
    def write(self, batch: Mapping[str, Sequence[Any]] | pl.DataFrame) -> None:
        """Adds rows.

        Args:
            batch: A data frame, or lists of equal length by column name.

        Raises:
            TableError: The batch lacks a column or has one too many, a value is of another type than those before, or
                the disk is full.
        """
        import polars as pl

        frame = batch if isinstance(batch, pl.DataFrame) else self._frame(batch)
        frame = self._checked(frame)
        if frame.height == 0:
            self._waiting = self._waiting or [frame]
            return
        self._waiting.append(frame)
        self.rows += frame.height
        size = int(frame.estimated_size())
        self._waiting_bytes += size
        self._size_bytes += size
        if self._waiting_bytes >= _SPILL_BYTES:
            self._spill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _frame(self, batch: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
        import polars as pl

        declared = self._declared or {}
        columns = [self._series(name, values, declared.get(name)) for name, values in batch.items()]
        try:
            return pl.DataFrame(columns)
        except pl.exceptions.PolarsError as exc:
            lengths = ", ".join(f"{column.name} {len(column)}" for column in columns)
            raise TableError(f"the columns have different lengths: {lengths}", where=str(self._path)) from exc

    def _series(self, name: str, values: Sequence[Any], dtype: pl.DataType | None) -> pl.Series:
        import polars as pl

        first = next((value for value in values if value is not None), None)
        try:
            if dtype is None and isinstance(first, (dict, list, tuple)):
                # A series takes the fields of a struct from its first hundred values, and drops what comes later.
                return pl.from_dicts([{name: value} for value in values], infer_schema_length=None)[name]
            if dtype is None and _are_numbers(values) and any(isinstance(value, float) for value in values):
                dtype = pl.Float64()
            return pl.Series(name, values, dtype=dtype)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as exc:
            reason = (str(exc).splitlines() or [type(exc).__name__])[0]
            where = f"{self._path}, column {name!r}, rows from {self.rows}"
            raise TableError(f"the values do not go into one column: {reason[:200]}", where=where) from exc

    def _checked(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Returns the batch with its columns in order, once names and types agree with what came before."""
        import polars as pl

        expected = self._declared or self._types
        if expected is None:
            self._types = dict(frame.schema)
            return frame
        present = frozenset(frame.columns)
        for name in [*expected, *frame.columns]:
            if name not in present:
                raise TableError(
                    f"a batch has no column {name!r}", where=str(self._path), hint=nearest(name, frame.columns)
                )
            if name not in expected:
                raise TableError(f"a batch has a column {name!r} that others have not", where=str(self._path))
        frame = frame.select(list(expected))
        self._types = {name: self._merged(name, expected[name], dtype) for name, dtype in frame.schema.items()}
        return frame.cast(pl.Schema(self._declared)) if self._declared else frame

    def _merged(self, name: str, before: pl.DataType, now: pl.DataType) -> pl.DataType:
        import polars as pl

        if before == now or isinstance(now, pl.Null):
            return before
        if not self._declared:
            if isinstance(before, pl.Null):
                return now
            if (before.is_numeric() and now.is_numeric()) or (before.is_nested() and type(before) is type(now)):
                return before if before.is_float() else now
        raise TableError(
            f"the column {name!r} is {before}, and a batch has {now}", where=f"{self._path}, rows from {self.rows}"
        )

    def _spill(self) -> None:
        import polars as pl

        if self._folder is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(mkdtemp(prefix=f".{self._path.name[:40]}.", suffix=".parts", dir=self._path.parent))
        part = self._folder / f"{len(self._parts)}.arrow"
        try:
            pl.concat(self._waiting, how="vertical_relaxed").write_ipc(part, compression="lz4")
        except OSError as exc:
            raise TableError(f"the table cannot be written: {exc.strerror or exc}", where=str(self._path)) from exc
        self._parts.append(part)
        self._waiting, self._waiting_bytes = [], 0

    def _finish(self) -> None:
        import polars as pl

        if not self._parts and not self._waiting:
            self._waiting = [pl.DataFrame(schema=self._declared or {})]
        frames = [pl.scan_ipc(part, glob=False) for part in self._parts] + [frame.lazy() for frame in self._waiting]
        with replacing(self._path) as temporary:
            sink(pl.concat(frames, how="vertical_relaxed"), temporary, row_group_rows(self.rows, self._size_bytes))


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(value is None or type(value) in (int, float) for value in values)


def _type_of(dtype: str | pl.DataType) -> pl.DataType:
    import polars as pl

    if not isinstance(dtype, str):
        return dtype() if isinstance(dtype, type) else dtype
    found = getattr(pl, dtype, None)
    if not (isinstance(found, type) and issubclass(found, pl.DataType)):
        names = [
            name
            for name in vars(pl)
            if isinstance(getattr(pl, name), type) and issubclass(getattr(pl, name), pl.DataType)
        ]
        raise TableError(f"there is no column type {dtype!r}", hint=nearest(dtype, names))
    return found()
