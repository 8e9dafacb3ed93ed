"""Tables side by side: row by row.

Contract: all tables have as many rows as the first, and no two a column of the same name; rows keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import TableError
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context


def zip_tables(context: Context) -> None:
    """Writes the columns of all inputs."""
    import polars as pl

    paths = context.inputs["table"]
    frames = [scan_table(path) for path in paths]
    seen: dict[str, str] = {}
    height = row_count(paths[0])
    for path, frame in zip(paths, frames, strict=True):
        if row_count(path) != height:
            raise TableError(
                f"the table has {row_count(path)} rows, and the first one {height}",
                where=str(path),
                hint="join brings tables together by a column",
            )
        for name in frame.collect_schema():
            if name in seen:
                raise TableError(
                    f"the column {name!r} is in {seen[name]} too", where=str(path), hint="rename one of the two first"
                )
            seen[name] = str(path)
    write_table(pl.concat(frames, how="horizontal"), context.output())
    context.facts["rows"] = height


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns that the columns are not known: only those of the first input are told."""
    return {"table": None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that the rows are not known: what is told is how many all inputs have together."""
    return {"table": 0 if inputs.get("table") == 0 else None}
