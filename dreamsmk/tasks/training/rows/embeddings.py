"""Rows that an embedding model learns from: triplets, positive pairs, or pairs with scores.

Contract: a row that cannot be learnt from is an error that names it; nothing is left out in silence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tables import read_table, require_columns
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.training.rows.examples import rows_in_words

if TYPE_CHECKING:
    import polars

Way = Literal["triplets", "pairs", "scores"]

_COLUMNS: dict[Way, tuple[str, ...]] = {
    "triplets": ("anchors", "positives", "negatives"),
    "pairs": ("anchors", "positives"),
    "scores": ("first", "second", "scores"),
}


# Any: JSON values of every type.
def way_of(params: Mapping[str, Any]) -> Way:
    """Returns how the parameters have a model learn from rows.

    Raises:
        SettingsError: They name no way, or several.
    """
    named = {name for names in _COLUMNS.values() for name in names if params.get(name) is not None}
    for way, names in _COLUMNS.items():
        if named == set(names):
            return way
    told = f"the columns {', '.join(sorted(named))} are no way" if named else "there are no columns"
    raise SettingsError(
        f"{told} to learn from",
        where="params",
        hint="name anchors and positives, with negatives or without, or first, second and scores",
    )


# Any: JSON values of every type.
def read_rows(path: Path, params: Mapping[str, Any], way: Way) -> polars.DataFrame:
    """Returns the texts that are trained on, in the order in which losses take them.

    Columns: `anchor`, `positive`, and `negative` or `negative_1`, `negative_2`, …; or `first`, `second` and `label`.

    Raises:
        TableError: The table is empty, or a column is missing, of a wrong type or has cells without a value.
    """
    import polars as pl

    names = _COLUMNS[way]
    found = {name.removesuffix("s"): pl.Series(read_texts(path, params[name]), dtype=pl.String) for name in names[:2]}
    if not len(next(iter(found.values()))):
        raise TableError("the table has no rows to train on", where=str(path))
    if way == "triplets":
        found |= _read_negatives(path, params["negatives"])
    if way == "scores":
        found["label"] = _read_scores(path, params["scores"])
    return pl.DataFrame(found)


def _read_negatives(path: Path, column: str) -> dict[str, polars.Series]:
    import polars as pl

    require_columns(path, [column])
    values = read_table(path, columns=[column])[column]
    if not isinstance(values.dtype, (pl.List, pl.Array)):
        return {"negative": pl.Series(read_texts(path, column), dtype=pl.String)}
    if values.dtype.inner != pl.String:
        raise TableError(
            f"the column {column!r} is of type {values.dtype}",
            where=str(path),
            hint="negatives are texts, or lists of them",
        )
    lists = values.to_list()
    _refuse([row for row, texts in enumerate(lists) if not texts or None in texts], path, f"{column!r} has empty cells")
    count = len(lists[0])
    _refuse(
        [row for row, texts in enumerate(lists) if len(texts) != count],
        path,
        f"the lists of {column!r} are not all as long as the first, of {count}",
    )
    names = ["negative"] if count == 1 else [f"negative_{place + 1}" for place in range(count)]
    return {name: pl.Series([texts[place] for texts in lists], dtype=pl.String) for place, name in enumerate(names)}


def _read_scores(path: Path, column: str) -> polars.Series:
    import polars as pl

    require_columns(path, [column])
    values = read_table(path, columns=[column])[column]
    if not values.dtype.is_numeric():
        raise TableError(f"the column {column!r} is of type {values.dtype}, not of numbers", where=str(path))
    scores = values.cast(pl.Float64)
    wrong = [row for row, score in enumerate(scores.to_list()) if score is None or not math.isfinite(score)]
    _refuse(wrong, path, f"{column!r} has cells that are no numbers")
    return scores.cast(pl.Float32)


def check_cosines(rows: polars.DataFrame, where: str) -> None:
    """Refuses scores that no cosine can be.

    Raises:
        TableError: A score is below -1 or above 1.
    """
    wrong = (rows["label"].abs() > 1).arg_true().to_list()
    if wrong:
        raise TableError(
            f"{len(wrong)} rows have scores that no cosine can be",
            where=f"{where}, {rows_in_words(wrong)}",
            hint="scale them to 0 to 1 (rule map), or use `loss: cosent`, which only compares them",
        )


def _refuse(rows: list[int], path: Path, what: str) -> None:
    if rows:
        raise TableError(what, where=f"{path}, {rows_in_words(rows)}")
