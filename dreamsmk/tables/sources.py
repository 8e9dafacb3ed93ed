"""Reading tables: which files are tables, their columns and types, and their rows.

Contract: a table is a Parquet file, or a file that users bring: `.csv` and `.tsv` with a header, `.json` (an array of
objects), `.jsonl` or `.ndjson` (an object a line) and `.txt` (a column `text`, a row a line), all UTF-8. Types are
inferred from all rows. What cannot be read is a `TableError` that names the file and, where it can be found, the row.
A path is one file: `*` and `[` in it are plain characters.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.errors import TableError, nearest
from dreamsmk.tables.csv_header import true_names
from dreamsmk.tables.faults import first_bad_csv_row, first_bad_json_row, first_mixed_json_row

if TYPE_CHECKING:
    import polars as pl

TABLE_SUFFIXES = (".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt")
TEXT_COLUMN = "text"

PathLike = str | os.PathLike[str]


def is_table_path(path: PathLike) -> bool:
    """Tells by its suffix whether a path is that of a table."""
    return Path(path).suffix.lower() in TABLE_SUFFIXES


def scan_table(path: PathLike, suffix: str | None = None) -> pl.LazyFrame:
    """Returns a table that is read when it is collected; its columns and types are read at once.

    Args:
        path: The file.
        suffix: Read it as a file of this suffix, whatever its own.

    Raises:
        TableError: There is no such file, or it is not a readable table.
    """
    table = Path(path)
    suffix = suffix or _suffix(table)
    with reading(table):
        frame = _scan(table, suffix)
        frame.collect_schema()
        return frame


def read_table(path: PathLike, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Returns a table, or some of its columns in the order given.

    Raises:
        TableError: There is no such file, it is not a readable table, or it lacks a column.
    """
    frame = scan_table(path)
    if columns is not None:
        _require(path, frame.collect_schema().names(), columns)
        frame = frame.select(list(columns))
    with reading(Path(path)):
        return frame.collect()


def column_types(path: PathLike) -> dict[str, str]:
    """Returns the type of each column as polars names it, in the table's order; of Parquet reads the metadata alone."""
    return {name: str(dtype) for name, dtype in scan_table(path).collect_schema().items()}


def column_names(path: PathLike) -> list[str]:
    """Returns the names of a table's columns; of Parquet, CSV and text files it reads no rows for it."""
    import polars as pl

    table = Path(path)
    suffix = _suffix(table)
    if suffix not in (".csv", ".tsv"):
        return scan_table(table).collect_schema().names()
    with reading(table):
        separator = "\t" if suffix == ".tsv" else ","
        names = pl.scan_csv(table, glob=False, separator=separator, infer_schema=False).collect_schema().names()
        return true_names(names, table, separator)


def row_count(path: PathLike) -> int:
    """Returns the number of a table's rows; of Parquet reads the metadata alone."""
    import polars as pl

    frame = scan_table(path)
    with reading(Path(path)):
        count: int = frame.select(pl.len()).collect().item()
    return count


def require_columns(path: PathLike, names: Iterable[str]) -> None:
    """Checks that a table has some columns.

    Raises:
        TableError: It lacks one; the hint names the nearest column that it has.
    """
    _require(path, column_names(path), names)


def _require(path: PathLike, present: Sequence[str], names: Iterable[str]) -> None:
    for name in names:
        if name not in present:
            raise TableError(f"the table has no column {name!r}", where=os.fspath(path), hint=nearest(name, present))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what polars and the system raise over a file into a `TableError` that names it."""
    import polars as pl

    try:
        yield
    except FileNotFoundError as exc:
        raise TableError("there is no such table", where=str(path)) from exc
    except OSError as exc:
        raise TableError(f"the table cannot be read: {exc.strerror or exc}", where=str(path)) from exc
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError) as exc:
        # TypeError: polars takes a path that is not Unicode for an open file.
        raise _translated(path, exc) from exc


def _translated(path: Path, exc: BaseException) -> TableError:
    suffix = path.suffix.lower()
    fault = None
    if suffix in (".json", ".jsonl", ".ndjson"):
        is_whole = suffix == ".json"
        fault = first_bad_json_row(path, whole=is_whole) or first_mixed_json_row(path, whole=is_whole)
    elif suffix in (".csv", ".tsv"):
        fault = first_bad_csv_row(path, "\t" if suffix == ".tsv" else ",")
    if fault is not None:
        return TableError(fault.reason, where=fault.at(path))
    reason = (str(exc).splitlines() or [type(exc).__name__])[0]
    hint = "save it as UTF-8" if "utf" in reason.lower() else ""
    return TableError(f"not a readable {suffix[1:] or 'table'} file: {reason[:200]}", where=str(path), hint=hint)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        hint = f"tables end in {', '.join(TABLE_SUFFIXES)}"
        raise TableError(f"a file that ends in {suffix or 'no suffix'} is not a table", where=str(path), hint=hint)
    if path.is_dir():
        raise TableError("a folder is not a table", where=str(path))
    if not path.exists():
        raise TableError("there is no such table", where=str(path))
    return suffix


def _scan(path: Path, suffix: str) -> pl.LazyFrame:
    import polars as pl

    name = str(path)
    if suffix == ".parquet":
        return pl.scan_parquet(name, glob=False, hive_partitioning=False)
    if suffix in (".csv", ".tsv"):
        separator = "\t" if suffix == ".tsv" else ","
        schema = pl.scan_csv(name, glob=False, separator=separator, infer_schema_length=None).collect_schema()
        names = true_names(schema.names(), path, separator)
        # a frame that infers holds all of the file in memory when it is collected (polars 2.1)
        frame = pl.scan_csv(name, glob=False, separator=separator, schema=schema)
        return frame if names == schema.names() else frame.rename(dict(zip(schema.names(), names, strict=True)))
    if suffix == ".txt":
        return pl.scan_lines(name, name=TEXT_COLUMN, glob=False)
    if suffix == ".json":
        return _read_json(path).lazy()
    return _scan_json_lines(path)


def _read_json(path: Path) -> pl.DataFrame:
    import polars as pl

    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if content.lstrip()[:1] != b"[":
        raise TableError("not an array of objects", where=str(path), hint="one object a line is a .jsonl file")
    _refuse_lone_surrogates(path, whole=True)
    frame = pl.read_json(content, infer_schema_length=None)
    # to polars true is 1 where there are numbers too
    if (fault := first_mixed_json_row(path, whole=True)) is not None:
        raise TableError(fault.reason, where=fault.at(path))
    return frame


def _scan_json_lines(path: Path) -> pl.LazyFrame:
    import polars as pl

    with path.open("rb") as file:
        if file.read(3) == b"\xef\xbb\xbf":
            raise TableError("the file begins with a byte order mark", where=str(path), hint="save it as plain UTF-8")
        file.seek(0)
        if not any(line.strip() for line in file):
            return pl.LazyFrame()
    _refuse_lone_surrogates(path, whole=False)
    # polars expands `*`, `?` and `[` in the paths of JSON lines, and has no way to say not to.
    if set(str(path)) & set("*?["):
        return pl.scan_ndjson(path.read_bytes(), infer_schema_length=None)
    return pl.scan_ndjson(str(path), infer_schema_length=None)


def _refuse_lone_surrogates(path: Path, *, whole: bool) -> None:
    """Raises for an escaped half of a surrogate pair, for which polars would put in a NUL without a word."""
    fault = first_bad_json_row(path, only_with=b"\\ud", whole=whole)
    if fault is not None:
        raise TableError(fault.reason, where=fault.at(path))
