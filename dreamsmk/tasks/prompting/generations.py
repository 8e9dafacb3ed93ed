"""Replies of a model, row by row, into a table.

Contract: rows are written as they come and in order, so that a table of any length needs little memory; columns and
types are the same for no rows as for many. A reply is written as it came, an empty one as the empty text. A row that
failed has nulls where others have their reply, and says why in the column `failure`; without that column a failed row
fails the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.requests import Failure, Response
from dreamsmk.tables import TableWriter, require_columns, scan_table
from dreamsmk.tables.sources import reading
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.naming import renamed
from dreamsmk.tasks.prompting.reply_schema import ReplySchema

if TYPE_CHECKING:
    import polars as pl

GENERATIONS = "generations"
FAILURE = "failure"
# What else of a call can be kept as a column, by the name of the column.
KEPT = ("prompts", "model", "finish_reason", "reasoning", "usage", "logprobs")
_USAGE = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
_BATCH_ROWS = 4096


# Any: JSON.
def generation_columns(
    params: Mapping[str, Any], leading: Sequence[str], fields: Sequence[str] | None = ()
) -> list[str] | None:
    """Returns the names of a prompting table's columns, as renamed by `columns`, in order.

    Args:
        params: The rule's parameters, of which `columns`, `keep`, `logprobs` and `max_failures` are used.
        leading: The columns before the replies.
        fields: The properties of the schema, none without one; None where they are not known yet.

    Returns:
        The names; None where they are not known yet.
    """
    kept = kept_names(params)
    if fields is None:
        return None
    columns = [*leading, *kept, *fields]
    if not fields or GENERATIONS in params["keep"]:
        columns.append(GENERATIONS)
    if params["max_failures"]:
        columns.append(FAILURE)
    return renamed(columns, params)


# Any: JSON.
def kept_names(params: Mapping[str, Any]) -> list[str]:
    """Returns what the parameter `keep` asks for beside the text of a reply, in the order of the columns.

    Raises:
        SettingsError: Log probabilities are to be kept, and none are asked for.
    """
    if "logprobs" in params["keep"] and params["logprobs"] is None:
        hint = "give logprobs, 0 for those of the tokens of the reply alone"
        raise SettingsError("no log probabilities are asked for that could be kept", where="keep", hint=hint)
    return [name for name in KEPT if name in params["keep"]]


# Any: cells.
def write_generations(
    context: Context, leading: Mapping[str, Sequence[Any]], asked: Asked, schema: ReplySchema | None
) -> None:
    """Asks, and writes the table of the replies.

    Args:
        context: The task's; of its parameters `columns`, `keep` and `max_failures` are used.
        leading: The columns before the replies, whole; texts, or of the type that they say (`dtype`).
        asked: What is asked, one request a row.
        schema: What the replies follow.
    """
    params, fields = context.params, {} if schema is None else schema.fields
    names = generation_columns(params, list(leading), list(fields))
    assert names is not None
    before = {new: name for name, new in params["columns"].items()}
    sources = {name: before.get(name, name) for name in names}
    types = reply_types(schema) | {name: c.dtype for name, c in leading.items() if hasattr(c, "dtype")}
    row = 0
    with TableWriter(
        context.output(), columns={name: types.get(source, "String") for name, source in sources.items()}
    ) as table:
        for batch in _batches(asked.outcomes()):
            end = row + len(batch)
            given = {"prompts": asked.prompts[row:end]} | {name: column[row:end] for name, column in leading.items()}
            given |= _field_columns(batch, schema)
            table.write(
                {
                    name: given[source] if source in given else reply_column(source, batch)
                    for name, source in sources.items()
                }
            )
            row = end
    context.facts["rows"] = row


def failure_text(outcome: Response | Failure) -> str | None:
    """Returns what the column `failure` says of a row."""
    return f"{outcome.kind}: {outcome.reason}" if isinstance(outcome, Failure) else None


def read_texts(path: Path, column: str, *, rows: int | None = None) -> list[str]:
    """Returns a column of texts; numbers are written out.

    Args:
        path: The table.
        column: The column.
        rows: How many rows are read from the start; None for all.

    Raises:
        TableError: There is no such column, it holds no texts, or a row is null.
    """
    import polars

    require_columns(path, [column])
    frame = scan_table(path).select(column)
    with reading(path):
        values = (frame if rows is None else frame.head(rows)).collect()[column]
    if not is_text(values.dtype):
        raise TableError(f"the column {column!r} is of type {values.dtype}, not text", where=str(path))
    if values.null_count():
        empty = values.is_null().arg_true().head(3).to_list()
        raise TableError(
            f"the column {column!r} has {values.null_count()} empty cells",
            where=f"{path}, row {', '.join(str(row) for row in empty)} (from 0)",
            hint="fill or drop these rows before they are put to a model",
        )
    texts: list[str] = values.cast(polars.String).to_list()
    return texts


def is_text(dtype: pl.DataType) -> bool:
    """Says whether the cells of a column can be written out as texts."""
    import polars

    return not dtype.is_nested() and dtype not in (polars.Binary, polars.Duration, polars.Object)


def reply_types(schema: ReplySchema | None) -> dict[str, str | pl.DataType]:
    """Returns the types of the columns that are not text, by name."""
    import polars

    likely = {"token": polars.String(), "logprob": polars.Float64()}
    token = polars.Struct({**likely, "top": polars.List(polars.Struct(likely))})
    types: dict[str, str | pl.DataType] = {
        "usage": polars.Struct(dict.fromkeys(_USAGE, polars.Int64())),
        "logprobs": polars.List(token),
    }
    return types | ({} if schema is None else {name: shape.dtype() for name, shape in schema.fields.items()})


# Any: cells.
def _field_columns(batch: Sequence[Response | Failure], schema: ReplySchema | None) -> dict[str, Sequence[Any]]:
    if schema is None:
        return {}
    rows = [schema.cells(outcome.text) if isinstance(outcome, Response) else {} for outcome in batch]
    return {name: [row.get(name) for row in rows] for name in schema.fields}


# Any: cells.
def reply_column(name: str, batch: Sequence[Response | Failure]) -> list[Any]:
    """Returns a column that replies fill; of a reply that cannot be used, it is known how it came to be."""
    if name == FAILURE:
        return [failure_text(outcome) for outcome in batch]
    if name == GENERATIONS:
        return [outcome.text if isinstance(outcome, Response) else None for outcome in batch]
    replies = [outcome.response if isinstance(outcome, Failure) else outcome for outcome in batch]
    return [None if reply is None else _KEPT_CELL[name](reply) for reply in replies]


def _logprobs(reply: Response) -> list[Mapping[str, Any]] | None:
    return None if reply.logprobs is None else list(reply.logprobs)


# Any: cells.
_KEPT_CELL: Mapping[str, Callable[[Response], Any]] = {
    "model": lambda reply: reply.model,
    "finish_reason": lambda reply: reply.finish_reason,
    "reasoning": lambda reply: reply.reasoning,
    "usage": lambda reply: {name: getattr(reply.usage, name) for name in _USAGE},
    "logprobs": _logprobs,
}


def _batches(outcomes: Iterable[Response | Failure]) -> Iterator[list[Response | Failure]]:
    batch: list[Response | Failure] = []
    for outcome in outcomes:
        batch.append(outcome)
        if len(batch) == _BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
