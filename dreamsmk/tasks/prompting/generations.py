"""Replies of a model, row by row, into a table.

Contract: rows are written as they come and in order, so that a table of any length needs little memory; the columns
are the same for no rows as for many. A reply is written as it came, an empty one as the empty text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.requests import Response
from dreamsmk.tables import TableWriter, read_table, require_columns

GENERATIONS = "generations"
# What else of a call can be kept as a column, by the name of the column.
KEPT = ("prompts", "model", "finish_reason")
_BATCH_ROWS = 4096


# Any: JSON.
def generation_columns(params: Mapping[str, Any], leading: Sequence[str]) -> list[str]:
    """Returns the names of a prompting table's columns, as renamed by `columns`, in order."""
    columns = [*leading, *(name for name in KEPT if name in params["keep"]), GENERATIONS]
    renamed = params["columns"]
    for name in renamed:
        if name not in columns:
            raise SettingsError(f"there is no column {name!r} to rename", where="columns", hint=nearest(name, columns))
    names = [renamed.get(name, name) for name in columns]
    if len(set(names)) < len(names):
        raise SettingsError("two columns get the same name", where="columns", hint=f"the columns would be {names}")
    return names


def write_generations(
    path: Path,
    params: Mapping[str, Any],
    leading: Mapping[str, Sequence[str]],
    prompts: Sequence[str],
    replies: Iterable[Response],
) -> int:
    """Writes a prompting table and returns how many rows it has.

    Args:
        path: Where to write.
        params: The rule's parameters, of which `columns` and `keep` are used.
        leading: The columns before the generations, whole.
        prompts: The prompt of each row.
        replies: One reply a row, in order.
    """
    names = generation_columns(params, list(leading))
    row = 0
    with TableWriter(path, columns=dict.fromkeys(names, "String")) as table:
        for batch in _batches(replies):
            end = row + len(batch)
            values = [list(column[row:end]) for column in leading.values()]
            kept = {
                "prompts": list(prompts[row:end]),
                "model": [reply.model for reply in batch],
                "finish_reason": [reply.finish_reason for reply in batch],
            }
            values += [kept[name] for name in KEPT if name in params["keep"]]
            values.append([reply.text for reply in batch])
            table.write(dict(zip(names, values, strict=True)))
            row = end
    return row


def read_texts(path: Path, column: str) -> list[str]:
    """Returns a column of texts; numbers are written out.

    Raises:
        TableError: There is no such column, it holds no texts, or a row is null.
    """
    import polars

    require_columns(path, [column])
    values = read_table(path, columns=[column])[column]
    if values.dtype.is_nested() or values.dtype in (polars.Binary, polars.Object):
        raise TableError(f"the column {column!r} is of type {values.dtype}, not text", where=str(path))
    if values.null_count():
        rows = values.is_null().arg_true().head(3).to_list()
        raise TableError(
            f"the column {column!r} has {values.null_count()} empty cells",
            where=f"{path}, row {', '.join(str(row) for row in rows)} (from 0)",
            hint="fill or drop these rows before they are put to a model",
        )
    texts: list[str] = values.cast(polars.String).to_list()
    return texts


def _batches(replies: Iterable[Response]) -> Iterable[list[Response]]:
    batch: list[Response] = []
    for reply in replies:
        batch.append(reply)
        if len(batch) == _BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
