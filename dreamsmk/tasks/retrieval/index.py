"""An index of the vectors of a table's rows, as a folder of its own.

Contract: entry i is row i; texts and other columns stay in the table. The index is the same for the same vectors. It
says of which rows and by which model its entries are, so that others can be refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.hashing import digest_rows
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.retrieval.vector_column import ask_column, identity_of, scaled, vector_batches
from dreamsmk.tasks.retrieval.vector_index import IndexDescription, build_index, check_factory, require_faiss

if TYPE_CHECKING:
    from dreamsmk.tasks.retrieval.vectors import Matrix


def index(context: Context) -> None:
    """Writes the folder of the index."""
    params, source = context.params, context.input()
    require_faiss()
    check_factory(params["factory"])
    asked = _ask(context)
    table, rows = digest_table(source, context.scratch), row_count(source)
    folder = context.output("index")
    folder.mkdir(parents=True, exist_ok=True)
    dimensions = build_index(
        _matrices(context, asked, rows), folder, factory=params["factory"], metric=params["metric"]
    )
    described = IndexDescription(
        column=params["column"],
        table=table,
        rows=rows,
        dimensions=dimensions,
        metric=params["metric"],
        normalize=params["normalize"],
        factory=params["factory"],
        model=None if params["model"] is None else identity_of(context.model(params["model"])),
        prefix=params["prefix"],
    )
    described.write(folder)
    context.facts |= {"rows": rows, "dimensions": dimensions}


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    asked = _ask(context)
    if asked is not None:
        yield asked


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"index": None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the rows of each output role: a folder has none."""
    return {"index": None}


def digest_table(path: Path, scratch: Path) -> str:
    """Returns the digest of a table's rows, whatever the format of its file.

    Args:
        path: The table.
        scratch: A folder for what is read of a text format.
    """
    if path.suffix.lower() == ".parquet":
        return digest_rows(path)
    copy = scratch / f"rows_of_{path.stem[:40]}.parquet"
    write_table(scan_table(path), copy)
    digest = digest_rows(copy)
    copy.unlink()
    return digest


def _ask(context: Context) -> Asked | None:
    params, alias = context.params, context.params["model"]
    model = None if alias is None else context.model(alias)
    return ask_column(context.input(), params["column"], model, prefix=params["prefix"], truncate=params["truncate"])


def _matrices(context: Context, asked: Asked | None, rows: int) -> Iterator[Matrix]:
    source, column = context.input(), context.params["column"]
    for start, frame, matrix in vector_batches(source, column, asked):
        yield scaled(matrix, where=str(source), first_row=start) if context.params["normalize"] else matrix
        if asked is None:
            context.progress.update(start + frame.height, rows)
