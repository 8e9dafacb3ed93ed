"""Two tables brought together by the columns that they share.

Contract: rows come in the order of the left table, those of one left row in the order of the right; of a full or
right join, the right rows without a partner come last, in their order. A key that is null has no partner, as in SQL.
The left table is streamed, and the right one is in memory, about twice over; of a semi or anti join, its key alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.sql_text import first_line

# Joins that give the left table's columns alone.
OF_THE_LEFT = ("semi", "anti")


def join(context: Context) -> None:
    """Writes the joined table."""
    import polars as pl

    params = context.params
    left, right = scan_table(context.input("table")), scan_table(context.input("other"))
    have, other = dict(left.collect_schema()), dict(right.collect_schema())
    names = joined_columns(params, list(have), list(other))
    for name in params["on"]:
        if have[name] != other[name]:
            raise TableError(
                f"the column {name!r} is of type {have[name]} in one table and {other[name]} in the other",
                where=str(context.input("other")),
            )
    how = params["how"]
    try:
        made = left.join(
            right,
            on=params["on"],
            how=how,
            suffix=params["suffix"],
            coalesce=None if how in OF_THE_LEFT else True,
            validate=params["validate"],
            maintain_order="left_right",
        )
        # of a right join, polars puts the columns to join on among those of the right table
        write_table(made.select(names), context.output())
    except (pl.exceptions.PolarsError, TableError) as exc:
        if "join keys did not fulfill" not in str(exc):
            raise
        raise TableError(
            f"the keys are not {params['validate']}: {first_line(exc)}",
            where=f"{context.input('table')} and {context.input('other')}, {', '.join(params['on'])}",
            hint="look for rows with the same key, or give another validate",
        ) from exc
    context.facts["rows"] = row_count(context.output())


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of both tables, the key once.

    Raises:
        TableError: The other table does not have a column to join on.
        SettingsError: Two columns would have the same name.
    """
    left, right = inputs.get("table"), inputs.get("other")
    return {"table": None if left is None or right is None else joined_columns(params, left, right)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that the rows are not known before the tables are joined."""
    return {"table": None}


# Any: JSON.
def joined_columns(params: Mapping[str, Any], left: Sequence[str], right: Sequence[str]) -> list[str]:
    """Returns the names of the joined table's columns, checked."""
    for name in params["on"]:
        for side, have in (("table", left), ("other", right)):
            if name not in have:
                raise TableError(
                    f"the input {side!r} has no column {name!r}", where="params.on", hint=nearest(name, have)
                )
    if params["how"] in OF_THE_LEFT:
        return list(left)
    names = list(left)
    for name in right:
        if name in params["on"]:
            continue
        told = name + params["suffix"] if name in left else name
        if told in names:
            raise SettingsError(f"two columns would be called {told!r}", where="params.suffix", hint="give another")
        names.append(told)
    return names
