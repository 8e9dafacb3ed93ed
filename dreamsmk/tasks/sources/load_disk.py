"""A folder that `save_to_disk` of the `datasets` package wrote, as a table.

Contract: what is in the folder decides, wherever it lies. Only Arrow and JSON are read, never pickled objects, and
nothing outside the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.errors import MissingExtra, TableError
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.sources.about import told_source
from dreamsmk.tasks.sources.dataset_rows import choose_split, write_rows


def load_disk(context: Context) -> None:
    """Writes the rows of the folder, or of one of its splits."""
    params, folder = context.params, context.input("folder")
    rows = _read(folder, params["split"])
    made = write_rows(rows, context.output(), columns=params["columns"], labels=params["labels"], where=str(folder))
    context.facts |= {"rows": made} | told_source(params)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns, where they are chosen."""
    return {"table": list(params["columns"]) or None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that the rows are not known before the folder is read."""
    return {"table": None}


# Any: datasets publishes no types.
def _read(folder: Path, split: str | None) -> Any:
    """Returns the data set of a folder, or of one of its splits."""
    try:
        import datasets
    except ImportError as exc:
        raise MissingExtra("datasets", "hub") from exc

    try:
        part = _part(folder, split)
        if not _files_of(part):  # datasets writes that of a table without rows, and does not read it (5.2)
            features = datasets.DatasetInfo.from_directory(str(part)).features
            return datasets.Dataset.from_dict({name: [] for name in features}, features=features)
        return datasets.load_from_disk(str(part))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        reason = (str(exc).splitlines() or [type(exc).__name__])[0]
        hint = "give the folder that save_to_disk wrote"
        raise TableError(f"not a datasets folder: {reason[:200]}", where=str(folder), hint=hint) from exc


def _part(folder: Path, split: str | None) -> Path:
    """Returns the folder that holds one data set: that of the split, where there are splits."""
    several = folder / "dataset_dict.json"
    if several.is_file():
        splits = json.loads(several.read_text(encoding="utf-8"))["splits"]
        return folder / choose_split(splits, split, str(folder))
    if split is not None:
        raise TableError("the folder holds one data set, without splits", where=str(folder), hint="leave split out")
    return folder


def _files_of(folder: Path) -> list[str]:
    """Returns the files with the rows; one that lies elsewhere is an error: the folder's digest would not cover it."""
    state = folder / "state.json"
    written = json.loads(state.read_text(encoding="utf-8"))
    files = [file["filename"] for file in written["_data_files"]]
    for name in [*files, *(file["filename"] for file in written.get("_indices_data_files") or ())]:
        if Path(name).name != name:
            raise TableError("the data set names a file outside its folder", where=f"{state}, {name}")
    return files
