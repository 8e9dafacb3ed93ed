"""The rows with what each of them scores by itself.

Contract: every row of every table is there, in its order, with all its columns; a row that is left out of a score has
null for it. The tables are read in batches, so that they may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tables import TableWriter, scan_table
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows
from dreamsmk.tasks.evaluation.candidates import NAME, Candidate

if TYPE_CHECKING:
    import polars as pl


def row_columns(source: Sequence[str], added: Sequence[str], *, has_names: bool) -> list[str]:
    """Returns the columns of the rows with their scores; see `check_alike` for two of one name."""
    return [*([NAME] if has_names else []), *source, *added]


def check_alike(candidates: Sequence[Candidate], added: Sequence[str]) -> None:
    """Checks that the tables can be put one after the other, before anything is measured.

    Raises:
        TableError: They have other columns or types.
        SettingsError: They have a column that is called as one that is added.
    """
    first = _schema(candidates[0].table)
    for name in (*([] if candidates[0].name is None else [NAME]), *added):
        if name in first:
            hint = "give the column of the table another name first, with rename"
            raise SettingsError(f"two columns would be called {name!r}", where="output.rows", hint=hint)
    for candidate in candidates[1:]:
        schema = _schema(candidate.table)
        for name in dict.fromkeys((*first, *schema)):
            if first.get(name) != schema.get(name):
                here, there = schema.get(name, "missing"), first.get(name, "missing")
                raise TableError(
                    f"the column {name!r} is {here}, and in the first table {there}",
                    where=str(candidate.table),
                    hint="tables whose rows are written with their scores have the same columns and types",
                )


def write_rows(
    target: Path, candidates: Sequence[Candidate], beside: Sequence[Mapping[str, pl.Series]], added: Sequence[str]
) -> int:
    """Writes the rows of all candidates, one after the other.

    Args:
        target: The table to write.
        candidates: What is compared.
        beside: The added columns of each, by name.
        added: Their names, in order.

    Returns:
        How many rows were written.
    """
    import polars as pl

    schema = _schema(candidates[0].table)
    has_names = candidates[0].name is not None
    leading = {NAME: pl.String()} if has_names else {}
    columns = {**leading, **schema, **{name: beside[0][name].dtype for name in added}}
    with TableWriter(target, columns=columns) as table:
        for candidate, found in zip(candidates, beside, strict=True):
            start = 0
            for batch in batches_of(candidate.table, bounded_batch_rows(candidate.table), list(schema)):
                scored = [found[name].slice(start, batch.height).alias(name) for name in added]
                start += batch.height
                made = batch.hstack(scored)
                table.write(made.select(pl.lit(candidate.name).alias(NAME), pl.all()) if has_names else made)
    return table.rows


def _schema(path: Path) -> dict[str, pl.DataType]:
    return dict(scan_table(path).collect_schema())
