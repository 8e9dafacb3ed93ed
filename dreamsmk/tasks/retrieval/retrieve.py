"""The k rows of a table that are nearest to each query (`Retrieve` in DataDreamer, ACL 2024).

Contract: queries stay in their order and keep their columns; hits come best first, those of equal score by their row.
With a flat index they are exact; see `nearest`. Where the indexed table has fewer than k rows, all of them are hits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import TableWriter, read_table, require_columns, scan_table
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.naming import widened
from dreamsmk.tasks.retrieval.lookup import Lookup

if TYPE_CHECKING:
    import polars as pl

    from dreamsmk.tasks.retrieval.nearest import Hits

LISTS = ("indices", "scores")
ROWS = ("query_index", "rank", "index", "score")


def retrieve(context: Context) -> None:
    """Writes what was found for each query."""
    params, corpus = context.params, context.input("corpus")
    require_columns(corpus, params["take"])
    types, of_corpus = dict(scan_table(context.input()).collect_schema()), dict(scan_table(corpus).collect_schema())
    names = widened(list(types), _added(params), params)
    assert names is not None
    lookup = Lookup.of(context, params["queries"], "model")
    lookup.check_corpus(corpus)
    taken = read_table(corpus, columns=params["take"]) if params["take"] else None
    is_lists = params["layout"] == "lists"
    new, done = names[len(types) :], 0
    added = dict(zip(new, _types([of_corpus[name] for name in params["take"]], is_lists=is_lists), strict=True))
    with TableWriter(context.output(), columns=types | added) as table:
        for frame, hits in lookup.hits():
            if is_lists:
                columns = _lists(hits, taken)
            else:
                columns = _rows(hits, taken)
                frame = frame[columns[0]]  # noqa: PLW2901 - each query's row once for each of its hits
                columns[0] += done
            table.write(frame.with_columns(column.alias(name) for name, column in zip(new, columns, strict=True)))
            done += len(hits)
    context.facts["rows"] = table.rows


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    asked = Lookup.of(context, context.params["queries"], "model").asked
    if asked is not None:
        yield asked


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the queries, and the new ones after them."""
    return {"table": widened(inputs.get("table"), _added(params), params)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: that of the queries; of one row a hit it is not known, for an index may miss."""
    return {"table": inputs.get("table") if params["layout"] == "lists" else None}


# Any: JSON.
def check_row_wise(params: Mapping[str, Any]) -> None:
    """Raises where queries are told by their number, which is another one in each shard.

    Raises:
        SettingsError: As said.
    """
    if params.get("layout", "lists") != "lists":
        hint = "take layout: lists, and one row a hit after they are gathered"
        raise SettingsError("one row a hit cannot be made in shards", where="params.layout", hint=hint)


# Any: JSON.
def _added(params: Mapping[str, Any]) -> list[str]:
    return [*(LISTS if params["layout"] == "lists" else ROWS), *params["take"]]


def _types(taken: Sequence[pl.DataType], *, is_lists: bool) -> list[pl.DataType]:
    import polars as pl

    if is_lists:
        return [pl.List(pl.Int64()), pl.List(pl.Float32()), *(pl.List(dtype) for dtype in taken)]
    return [pl.Int64(), pl.Int64(), pl.Int64(), pl.Float32(), *taken]


def _lists(hits: Sequence[Hits], taken: pl.DataFrame | None) -> list[pl.Series]:
    """Returns a list for each query: of rows, of scores, and of the cells of each column that is taken."""
    import polars as pl

    query, rows, scores = _flat(hits)
    columns = [rows, scores, *([] if taken is None else taken[rows].get_columns())]
    flat = pl.DataFrame([query.alias("query"), *(each.alias(str(place)) for place, each in enumerate(columns))])
    grouped = flat.group_by("query", maintain_order=True).agg(pl.all())
    every = pl.DataFrame({"query": pl.Series(range(len(hits)), dtype=pl.Int64)})
    made = every.join(grouped, on="query", how="left", maintain_order="left").drop("query")
    # a query without a hit has empty lists
    return [each.zip_with(each.is_not_null(), pl.Series([[]], dtype=each.dtype)) for each in made.get_columns()]


def _rows(hits: Sequence[Hits], taken: pl.DataFrame | None) -> list[pl.Series]:
    """Returns the columns of one row a hit: the query in its batch, the rank, the row, the score, what is taken."""
    import polars as pl

    query, rows, scores = _flat(hits)
    ranks = [rank for of_one in hits for rank in range(len(of_one.rows))]
    columns = [query, pl.Series(ranks, dtype=pl.Int64), rows, scores]
    return columns + ([] if taken is None else taken[rows].get_columns())


def _flat(hits: Sequence[Hits]) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Returns the query, the row and the score of every hit."""
    import numpy as np
    import polars as pl

    counts = [len(of_one.rows) for of_one in hits]
    return (
        pl.Series(np.repeat(np.arange(len(hits), dtype=np.int64), counts)),
        pl.Series(np.concatenate([np.empty(0, dtype=np.int64), *(of_one.rows for of_one in hits)])),
        pl.Series(np.concatenate([np.empty(0, dtype=np.float32), *(of_one.scores for of_one in hits)])),
    )
