"""Arrow's two layouts: files, which are read in any order, and streams, as `datasets` writes them.

Contract: a stream is copied batch by batch into a file, so that rows are read lazily from it.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dreamsmk.errors import MissingExtra, TableError

_MAGIC = b"ARROW1"


def as_arrow_file(path: Path, scratch: Path) -> Path:
    """Returns the path of an Arrow file with the rows of an Arrow file or stream.

    Raises:
        TableError: It is neither, or a column is there twice.
    """
    with path.open("rb") as file:
        is_file = file.read(len(_MAGIC)) == _MAGIC
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # it publishes no types
    except ImportError as exc:
        if is_file:  # polars reads it; only a column that is there twice is not told of in words
            return path
        raise MissingExtra("pyarrow", "hub") from exc
    target = scratch / f"{secrets.token_hex(8)}.arrow"
    try:
        with pa.memory_map(os.fspath(path)) as source:
            if is_file:
                _distinct_names(pa.ipc.open_file(source).schema.names, path)
                return path
            scratch.mkdir(parents=True, exist_ok=True)
            with pa.ipc.open_stream(source) as batches:
                _distinct_names(batches.schema.names, path)
                with pa.ipc.new_file(os.fspath(target), batches.schema) as sink:
                    for batch in batches:
                        sink.write_batch(batch)
    except pa.ArrowInvalid as exc:
        raise TableError(f"not an Arrow file: {exc}", where=str(path)) from exc
    return target


def _distinct_names(names: Iterable[str], path: Path) -> None:
    """Raises `TableError` where two columns of a file have the same name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise TableError(f"the column {twice[0]!r} is there twice", where=str(path), hint="rename one first")
