"""A table as a file or folder that other tools read.

Contract: rows keep their order, and the same rows give the same bytes. What a format cannot hold is an error that names
the column, and the row where it is a value: nothing is rounded, flattened or left out. The table is streamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.export_datasets import write_dataset, write_dataset_dict
from dreamsmk.tasks.shaping.export_layouts import check_layout, laid_out
from dreamsmk.tasks.shaping.export_text import write_delimited, write_json, write_json_lines

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = {
    "csv": (".csv",),
    "tsv": (".tsv",),
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
    "parquet": (".parquet",),
}
FOLDER_FORMAT = "datasets"


def export(context: Context) -> None:
    """Writes the rows in the format that is asked for."""
    params, paths = context.params, context.inputs["table"]
    check(params, len(paths))
    _check_outputs(params["format"], context.outputs)
    frames = [laid_out(scan_table(path), params, str(path)) for path in paths]
    if params["format"] == FOLDER_FORMAT:
        _write_folder(context, frames)
    else:
        _write_file(params["format"], frames[0], context.output("file"), context)
    context.facts["rows"] = sum(row_count(path) for path in paths)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns that what is exported is no table of ours.

    Raises:
        SettingsError: Parameters contradict each other.
    """
    check(params, None)
    return {"file": None, "folder": None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that what is exported is no table of ours."""
    return {"file": None, "folder": None}


# Any: JSON.
def check(params: Mapping[str, Any], tables: int | None) -> None:
    """Raises for parameters that contradict each other, or do not fit the number of tables."""
    check_layout(params)
    splits = params["splits"]
    if splits and params["format"] != FOLDER_FORMAT:
        raise SettingsError("only a datasets folder has splits", where="params.splits", hint="format='datasets'")
    if tables is not None and tables != (len(splits) or 1):
        raise SettingsError(
            f"there are {tables} tables, and {len(splits) or 'no'} names of splits",
            where="params.splits",
            hint="give one table, or one name for each: splits=['train', 'test']",
        )


def _check_outputs(format_name: str, outputs: Mapping[str, Path]) -> None:
    role = "folder" if format_name == FOLDER_FORMAT else "file"
    if set(outputs) != {role}:
        hint = 'output: folder=directory("…")' if role == "folder" else f'output: file="….{format_name}"'
        raise SettingsError(f"the format {format_name} is written to a {role}", where="output", hint=hint)
    if role == "file" and outputs[role].suffix.lower() not in SUFFIXES[format_name]:
        raise SettingsError(
            f"the output does not end in {' or '.join(SUFFIXES[format_name])}, and the format is {format_name}",
            where="params.format",
            hint=nearest(outputs[role].suffix.lstrip("."), SUFFIXES),
        )


def _write_folder(context: Context, frames: Sequence[pl.LazyFrame]) -> None:
    splits, folder = context.params["splits"], context.output("folder")
    if splits:
        write_dataset_dict(dict(zip(splits, frames, strict=True)), folder)
    else:
        write_dataset(frames[0], folder)


def _write_file(format_name: str, frame: pl.LazyFrame, target: Path, context: Context) -> None:
    if format_name == "parquet":
        write_table(frame, target)
        return
    source, scratch = str(context.input()), context.scratch
    try:
        if format_name == "json":
            write_json(frame, target, source=source, scratch=scratch)
        elif format_name == "jsonl":
            write_json_lines(frame, target, source=source)
        else:
            write_delimited(frame, target, "\t" if format_name == "tsv" else ",", source=source)
    except OSError as exc:
        raise TableError(f"the file cannot be written: {exc.strerror or exc}", where=str(target)) from exc
