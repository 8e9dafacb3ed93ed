"""A SQL query over one table or several.

Contract: the dialect is that of polars' SQL interface. The tables are scanned and the result is streamed, as far as the
query allows: what it sorts, groups or joins by is in memory. What of the order of rows the query leaves open is settled
(`sql_order`), so that every run gives the same table. Sums of floats may still differ in their last digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.sql_order import in_certain_order, require_settled
from dreamsmk.tasks.shaping.sql_text import ONE, require_query, telling

WHERE = "params.query"


def sql(context: Context) -> None:
    """Writes what the query gives."""
    import polars as pl

    query, paths = context.params["query"], context.inputs["table"]
    _check(query)
    names = table_names(context.params, len(paths))
    tables = {name: scan_table(path) for name, path in zip(names, paths, strict=True)}
    with telling("the query fails", WHERE, {name: table.collect_schema().names() for name, table in tables.items()}):
        asked = pl.SQLContext(tables, eager=False)
        made = asked.execute(in_certain_order(query, len(asked.execute(query).collect_schema())))
        made.collect_schema()
    write_table(made, context.output())
    context.facts["rows"] = row_count(context.output())


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns that the columns are not known before the query is run.

    Raises:
        SettingsError: It is no query, or reads files or the clock, or a function takes rows in no certain order.
    """
    _check(params["query"])
    return {"table": None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that the rows are not known before the query is run."""
    return {"table": None}


def _check(query: str) -> None:
    require_query(query, WHERE)
    require_settled(query, WHERE)


# Any: JSON.
def table_names(params: Mapping[str, Any], tables: int) -> Sequence[str]:
    """Returns what the query calls each of its tables.

    Raises:
        SettingsError: There are more tables than names, or two of one name.
    """
    names: Sequence[str] = params["tables"] or [ONE]
    if len(names) != tables:
        raise SettingsError(
            f"there are {tables} input tables, and {len(names)} names of tables",
            where="params.tables",
            hint="name each input, in order: tables=['tweets', 'papers']",
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SettingsError(f"two tables are called {twice[0]!r}", where="params.tables")
    return names
