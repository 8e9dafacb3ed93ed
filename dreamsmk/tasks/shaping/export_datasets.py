"""Rows as a folder that `datasets.load_from_disk` reads.

Contract: the layout is that of `Dataset.save_to_disk`: Arrow streams, `dataset_info.json`, `state.json`. Batches have a
fixed number of rows and the fingerprint is that of the content, so that the same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import MissingExtra, TableError
from dreamsmk.hashing import digest_bytes, digest_file
from dreamsmk.tasks.batches import frame_batches

if TYPE_CHECKING:
    import polars as pl

_BATCH_ROWS = 256
_SHARD_BYTES = 500 * 1000 * 1000


def write_dataset_dict(frames: Mapping[str, pl.LazyFrame], folder: Path) -> None:
    """Writes several tables as the splits of one data set."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, frame in frames.items():
        write_dataset(frame, folder / split, split=split)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(frames)}), encoding="utf-8")


def write_dataset(frame: pl.LazyFrame, folder: Path, *, split: str | None = None) -> None:
    """Writes one table as a data set.

    Raises:
        MissingExtra: The package `datasets` is not installed.
    """
    try:
        from datasets import Features
    except ImportError as exc:
        raise MissingExtra("datasets", "hub") from exc
    import polars as pl

    folder.mkdir(parents=True, exist_ok=True)
    # Arrow's dictionaries have no counterpart among the features of `datasets`
    words = [n for n, t in frame.collect_schema().items() if isinstance(t, (pl.Categorical, pl.Enum))]
    frame = frame.with_columns(pl.col(words).cast(pl.String))
    empty = pl.DataFrame(schema=frame.collect_schema()).to_arrow(compat_level=pl.CompatLevel.oldest())
    schema = _small(empty.schema)
    features = Features.from_arrow_schema(schema).to_dict()
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    files = _write_shards(frame, schema, folder)
    state: dict[str, Any] = {
        "_data_files": [{"filename": file.name} for file in files],
        "_fingerprint": digest_bytes("".join(map(digest_file, files)).encode()).removeprefix("xxh3:")[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    about = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
    for name, content in (("state.json", state), ("dataset_info.json", about)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True), encoding="utf-8")


# Any: pyarrow publishes no types.
def _write_shards(frame: pl.LazyFrame, schema: Any, folder: Path) -> list[Path]:
    """Writes rows as Arrow streams of bounded size, and returns the files."""
    import pyarrow as pa  # type: ignore[import-untyped]  # it publishes no types

    parts: list[Path] = []
    batches = frame_batches(frame, _BATCH_ROWS)
    batch = next(batches, None)
    while batch is not None or not parts:
        parts.append(folder / f"{len(parts)}.part")
        with parts[-1].open("wb") as file, pa.ipc.new_stream(file, schema) as sink:
            while batch is not None and file.tell() < _SHARD_BYTES:
                for table in _arrow(batch, schema):
                    sink.write_table(table)
                batch = next(batches, None)
    files = [folder / f"data-{number:05d}-of-{len(parts):05d}.arrow" for number in range(len(parts))]
    for part, file_path in zip(parts, files, strict=True):
        part.rename(file_path)
    return files


# Any: pyarrow publishes no types.
def _arrow(batch: pl.DataFrame, schema: Any) -> Iterator[Any]:
    """Yields rows as Arrow's tables: one, or several where its offsets of 32 bits do not reach for all of them.

    Raises:
        TableError: They do not reach for one row.
    """
    import polars as pl
    import pyarrow as pa

    try:
        table = batch.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
    except pa.ArrowInvalid as exc:
        if batch.height == 1:
            raise TableError(f"a row is too large for Arrow: {exc}", hint="leave it out first") from exc
        half = batch.height // 2
        yield from _arrow(batch.slice(0, half), schema)
        yield from _arrow(batch.slice(half), schema)
    else:
        yield table


# Any: pyarrow publishes no types.
def _small(schema: Any) -> Any:
    """Returns a schema with the types that other tools expect: no batch needs offsets of 64 bits."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _small_type(field.type)) for field in schema])


# Any: pyarrow publishes no types.
def _small_type(dtype: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_large_string(dtype):
        return pa.string()
    if pa.types.is_large_binary(dtype):
        return pa.binary()
    if pa.types.is_large_list(dtype):
        return pa.list_(_small_type(dtype.value_type))
    if pa.types.is_fixed_size_list(dtype):
        return pa.list_(_small_type(dtype.value_type), dtype.list_size)
    if pa.types.is_struct(dtype):
        return pa.struct([pa.field(field.name, _small_type(field.type)) for field in dtype])
    return dtype
