"""The vector of each text of a column (`Embed` in DataDreamer, ACL 2024).

Contract: rows stay in their order and keep their columns; rows with equal texts share one call, and a text that was
embedded before costs nothing. The column of vectors is of the type `Array(Float32, dimensions)`, for no rows as well.
Memory does not grow with the table. No text is cut in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tables import TableWriter, scan_table
from dreamsmk.tasks.batches import batches_of
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.naming import widened
from dreamsmk.tasks.prompting.generations import FAILURE, failure_text
from dreamsmk.tasks.retrieval.texts import PROBE, Texts, batch_rows, counted_cut
from dreamsmk.tasks.retrieval.vectors import VectorStream, ask_vectors
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "embed", "plan", "rows"]

EMBEDDINGS = "embeddings"


def embed(context: Context) -> None:
    """Asks a model for the vector of each text, and writes them beside the texts."""
    import polars as pl

    params, source = context.params, context.input()
    types = dict(scan_table(source).collect_schema())
    names = widened(list(types), _added(params), params)
    assert names is not None
    asked = _ask(context)
    stream = VectorStream(counted_cut(asked.outcomes(), context.facts), params["dimensions"])
    dimensions = stream.dimensions = stream.peek() or _probed(context)
    vectors, *failure = names[len(types) :]
    added = {vectors: pl.Array(pl.Float32, dimensions), **dict.fromkeys(failure, pl.String())}
    with TableWriter(context.output(), columns=types | added) as table:
        for frame in batches_of(source, batch_rows(source)):
            column, reasons = stream.next_column(vectors, frame[params["texts"]].is_not_null())
            said = [None if reason is None else failure_text(reason) for reason in reasons]
            table.write(frame.with_columns(column, *(pl.Series(name, said, dtype=pl.String) for name in failure)))
        stream.finish()
    context.facts |= {"rows": table.rows, "dimensions": dimensions}


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    asked = _ask(context)
    yield asked
    if not len(asked.prompts) and context.params["dimensions"] is None:
        yield _ask_probe(context)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table, and the new ones after them."""
    return {"table": widened(inputs.get("table"), _added(params), params)}


# Any: JSON.
def _added(params: Mapping[str, Any]) -> list[str]:
    return [EMBEDDINGS, FAILURE] if params["max_failures"] else [EMBEDDINGS]


def _ask(context: Context) -> Asked:
    params = context.params
    texts = Texts(context.input(), [params["texts"]], keeps_nulls=params["nulls"] == "keep")
    return ask_vectors(
        context.model(params["model"]),
        texts,
        prefix=params["prefix"],
        truncate=params["truncate"],
        max_failures=params["max_failures"],
    )


def _ask_probe(context: Context) -> Asked:
    params = context.params
    return ask_vectors(context.model(params["model"]), [PROBE], prefix=params["prefix"], truncate=True)


def _probed(context: Context) -> int:
    """Returns how many numbers the model's vectors have, where no text of the table says so: one call in its life."""
    dimensions = VectorStream(_ask_probe(context).outcomes()).peek()
    assert dimensions is not None
    return dimensions
