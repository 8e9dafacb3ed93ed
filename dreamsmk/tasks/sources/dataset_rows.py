"""The rows of a data set of the `datasets` package as a table.

Contract: every feature keeps its type: labels become their names or stay numbers, images and sounds are their bytes
with the name of their file, lists and structs stay what they are. Rows are read from Arrow and written in batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tables import TableWriter

if TYPE_CHECKING:
    import polars as pl

Labels = Literal["names", "numbers"]
_BATCH_ROWS = 1000
# What test sets say of a row whose label is kept secret.
_NO_LABEL = -1


# Any: datasets publishes no types.
def write_rows(rows: Any, target: Path, *, columns: Sequence[str], labels: Labels, where: str) -> int:
    """Writes the rows of a data set and returns their number.

    Args:
        rows: A `Dataset`, or an `IterableDataset` whose features are known.
        target: The table to write.
        columns: The columns to keep, in that order; all if empty.
        labels: Whether labels become their names.
        where: What messages call the data set.

    Raises:
        TableError: It lacks a column, or a row cannot be read.
    """
    features = dict(rows.features)
    for name in columns:
        if name not in features:
            raise TableError(f"the data set has no column {name!r}", where=where, hint=nearest(name, features))
    names = list(columns) or list(features)
    if columns:
        rows = rows.select_columns(names)
        features = {name: features[name] for name in names}
    with TableWriter(target, columns=dict(_frame(_empty(features), features, labels).select(names).schema)) as table:
        for batch in _batches(rows, features):
            table.write(_frame(batch, features, labels).select(names))
    return table.rows


def choose_split(splits: Sequence[str], wanted: str | None, where: str) -> str:
    """Returns the split that is wanted, or the only one.

    Raises:
        SettingsError: There is no such split, or several and none is chosen.
    """
    if wanted is None and len(splits) == 1:
        return splits[0]
    if wanted not in splits:
        what = f"there is no split {wanted!r}" if wanted else f"the data set has {len(splits)} splits"
        hint = nearest(wanted, splits) if wanted else f"choose one: split={splits[0]!r}, of {', '.join(splits)}"
        raise SettingsError(what, where=f"params.split of {where}", hint=hint)
    return str(wanted)


# Any: datasets and pyarrow publish no types.
def _empty(features: Mapping[str, Any]) -> Any:
    from datasets import Features

    return Features(features).arrow_schema.empty_table()


# Any: datasets and pyarrow publish no types.
def _batches(rows: Any, features: Mapping[str, Any]) -> Iterator[Any]:
    """Yields tables with all bytes in them, also those of files beside."""
    from datasets.features.features import require_storage_embed
    from datasets.table import embed_table_storage

    has_files = any(require_storage_embed(feature) for feature in features.values())
    for table in rows.with_format("arrow").iter(batch_size=_BATCH_ROWS):
        yield embed_table_storage(table) if has_files else table


# Any: datasets and pyarrow publish no types.
def _frame(table: Any, features: Mapping[str, Any], labels: Labels) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame(pl.from_arrow(_without_extensions(table)))
    words = [name for name, dtype in frame.schema.items() if isinstance(dtype, (pl.Categorical, pl.Enum))]
    frame = frame.with_columns(pl.col(words).cast(pl.String))
    if labels == "numbers":
        return frame
    named = {name: _named(pl.col(name), features[name]) for name in frame.columns}
    return frame.with_columns(expr.alias(name) for name, expr in named.items() if expr is not None)


# Any: pyarrow publishes no types.
def _without_extensions(table: Any) -> Any:
    """Returns a table whose matrices and JSON are the lists and texts that they are stored as."""
    import pyarrow as pa  # type: ignore[import-untyped]  # it publishes no types

    for index, field in enumerate(table.schema):
        if isinstance(field.type, pa.BaseExtensionType):
            stored = [chunk.storage for chunk in table.column(index).chunks]
            table = table.set_column(index, field.name, pa.chunked_array(stored, type=field.type.storage_type))
    return table


# Any: a feature of datasets, which publishes no types.
def _named(values: pl.Expr, feature: Any) -> pl.Expr | None:
    """Returns values with names for labels; None where there are none in them."""
    import polars as pl
    from datasets import ClassLabel

    if isinstance(feature, ClassLabel):
        names: list[str | None] = [None, *feature.names]
        return values.replace_strict([_NO_LABEL, *range(feature.num_classes)], names, return_dtype=pl.String)
    if isinstance(feature, dict):
        fields = {name: _named(values.struct.field(name), inner) for name, inner in feature.items()}
        changed = [expr.alias(name) for name, expr in fields.items() if expr is not None]
        return values.struct.with_fields(changed) if changed else None
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    inside = None if inner is None else _named(pl.element(), inner)
    if inside is None:
        return None
    # lists of a fixed length are arrays
    is_array = getattr(feature, "length", -1) >= 0
    return values.arr.eval(inside) if is_array else values.list.eval(inside)
