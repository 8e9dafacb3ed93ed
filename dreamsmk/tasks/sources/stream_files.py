"""Arrow's two layouts: files, which are read in any order, and streams, as `datasets` writes them.

Contract: a stream is copied batch by batch into a file, so that rows are read lazily from it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dreamsmk.errors import MissingExtra, TableError

_MAGIC = b"ARROW1"


def as_arrow_file(path: Path, scratch: Path) -> Path:
    """Returns the path of an Arrow file with the rows of an Arrow file or stream.

    Raises:
        TableError: It is neither.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            return path
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # it publishes no types
    except ImportError as exc:
        raise MissingExtra("pyarrow", "hub") from exc
    scratch.mkdir(parents=True, exist_ok=True)
    target = scratch / f"{secrets.token_hex(8)}.arrow"
    try:
        with (
            pa.memory_map(os.fspath(path)) as source,
            pa.ipc.open_stream(source) as batches,
            pa.ipc.new_file(os.fspath(target), batches.schema) as sink,
        ):
            for batch in batches:
                sink.write_batch(batch)
    except pa.ArrowInvalid as exc:
        raise TableError(f"not an Arrow file: {exc}", where=str(path)) from exc
    return target
