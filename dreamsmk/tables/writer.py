"""Writing Parquet tables: whole frames, or batches as they come.

Contract: a target is either as it was or complete. The rows go to a temporary file beside it, which is synced and
renamed; an error, an interrupt or a kill leaves the target alone, and an error leaves no temporary file either.
Equal frames give equal bytes. Row groups are small enough to be read in bounded memory.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.errors import TableError

if TYPE_CHECKING:
    import polars as pl

_ROW_GROUP_BYTES = 64 * 1024 * 1024
_MAX_ROW_GROUP_ROWS = 128 * 1024
# For rows that nobody has seen yet: 64 MB at 2 kB a row.
_UNSEEN_ROW_GROUP_ROWS = 32 * 1024


def write_table(frame: pl.DataFrame | pl.LazyFrame, path: str | os.PathLike[str]) -> None:
    """Writes a Parquet table in place of what is at a path; a lazy frame is streamed.

    Raises:
        TableError: The path is not that of a Parquet file, or the rows cannot be made or written.
    """
    import polars as pl

    target = Path(path)
    if isinstance(frame, pl.DataFrame):
        rows = row_group_rows(frame.height, int(frame.estimated_size()))
        frame = frame.lazy()
    else:
        rows = _UNSEEN_ROW_GROUP_ROWS
    with replacing(target) as temporary:
        sink(frame, temporary, rows)


def row_group_rows(rows: int, size_bytes: int) -> int:
    """Returns how many rows make a row group of bounded size, for a table of some rows and bytes in memory."""
    if rows == 0 or size_bytes == 0:
        return _UNSEEN_ROW_GROUP_ROWS
    return max(1, min(rows * _ROW_GROUP_BYTES // size_bytes, _MAX_ROW_GROUP_ROWS))


def sink(frame: pl.LazyFrame, path: Path, rows: int) -> None:
    """Writes a frame's rows to a Parquet file, so many to a row group."""
    frame.sink_parquet(path, compression="zstd", row_group_size=rows, maintain_order=True)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Gives a path beside the target to write to, which takes the target's place when the block ends well.

    Raises:
        TableError: The target is not a Parquet path, or what the system or polars raised in the block.
    """
    import polars as pl

    if target.suffix.lower() != ".parquet":
        raise TableError("tables are written as Parquet", where=str(target), hint="end the path in .parquet")
    # A name may have 255 bytes, most of which the target's own may take.
    temporary = target.with_name(f".{target.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        os.replace(temporary, target)
        _sync(target.parent)
    except OSError as exc:
        raise TableError(f"the table cannot be written: {exc.strerror or exc}", where=str(target)) from exc
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:
        reason = (str(exc).splitlines() or [type(exc).__name__])[0]
        raise TableError(f"the table cannot be written: {reason}", where=str(target)) from exc
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(temporary)


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
