"""A table without the rows that share text with an evaluation set.

Contract: a row is contaminated if one of its text columns has a run of n words that a text of an evaluation set has too
(Brown et al., "Language Models are Few-Shot Learners", 2020, appendix C, where n is 13); words are compared without
case and punctuation (`ngrams`). Rows keep their order. The table is streamed; the evaluation sets, and a number for
each row of the table, are in memory. What each set found stands in the facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TableError, nearest
from dreamsmk.tables import read_table, row_count, scan_table
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.masks import marked_columns, write_kept, write_marked
from dreamsmk.tasks.shaping.ngrams import Known, words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Text whose words are in memory at once, with their hashes.
BATCH_BYTES = 16 * 1024 * 1024


def decontaminate(context: Context) -> None:
    """Writes the rows that share nothing with the evaluation sets, or all rows with a mark."""
    import numpy as np
    import polars as pl

    source, params, paths = context.input(), context.params, context.inputs["evaluation"]
    have = scan_table(source).collect_schema().names()
    marked_columns(have, params["mark"])
    _require_text(source, params["columns"])
    names = set_names(paths)
    sets = [_known(path, params) for path in paths]
    hits = _hits(context, sets)
    is_hit = np.logical_or.reduce(hits, axis=0)
    if params["mark"] is None:
        write_kept(source, ~is_hit, context.output())
    else:
        # few sets of names, however many rows
        kinds, kind = np.unique(hits, axis=1, return_inverse=True)
        found = [[name for name, hit in zip(names, one, strict=True) if hit] for one in kinds.T]
        mark = pl.Series(params["mark"], found, dtype=pl.List(pl.String)).gather(kind)
        write_marked(source, mark, context.output())
    context.facts["rows"] = row_count(context.output())
    context.facts["contaminated_rows"] = int(np.count_nonzero(is_hit))
    context.facts["evaluation_sets"] = [
        {
            "name": name,
            "path": str(path),
            "texts": known.texts,
            "short_texts": known.short_texts,
            "ngrams": known.ngrams,
            "contaminated_rows": int(np.count_nonzero(hit)),
        }
        for name, path, known, hit in zip(names, paths, sets, hits, strict=True)
    ]


def set_names(paths: Sequence[Path]) -> list[str]:
    """Returns what each evaluation set is called: its file's name without suffix, its path where two have the same."""
    counts = Counter(path.stem for path in paths)
    return [path.stem if counts[path.stem] == 1 else str(path) for path in paths]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns: those of the input, and the mark.

    Raises:
        SettingsError: The table has a column of the mark's name.
    """
    have = inputs.get("table")
    return {"table": None if have is None else marked_columns(have, params["mark"])}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows, which is known before where none is dropped."""
    have = inputs.get("table")
    return {"table": have if params["mark"] is not None or have == 0 else None}


# Any: JSON.
def extra_identity(
    home: Path, inputs: Mapping[str, Sequence[Path]], settings: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what the rows depend on beside content and parameters: the names of the sets, which a mark holds."""
    return {} if params["mark"] is None else {"names": set_names(inputs.get("evaluation", ()))}


def _hits(context: Context, sets: Sequence[Known]) -> NDArray[np.bool_]:
    """Tells for each set and row whether they share a run of words; of the shape (sets, rows)."""
    import numpy as np

    source, names = context.input(), context.params["columns"]
    hits = np.zeros((len(sets), row_count(source)), dtype=np.bool_)
    done = 0
    for batch in batches_of(source, bounded_batch_rows(source, BATCH_BYTES), names):
        for name in names:
            words = words_of(batch[name], context.params["n"])
            for known, hit in zip(sets, hits, strict=True):
                hit[done : done + batch.height] |= known.is_in(words)
        done += batch.height
        context.progress.update(done, hits.shape[1])
    return hits


# Any: JSON.
def _known(path: Path, params: Mapping[str, Any]) -> Known:
    """Reads an evaluation set."""
    import polars as pl

    named = params["evaluation_columns"]
    if named:
        _require_text(path, named)
    schema = scan_table(path).collect_schema()
    found = named or [name for name, dtype in schema.items() if dtype == pl.String]
    if not found:
        raise TableError(
            "the evaluation set has no column of text",
            where=str(path),
            hint=f"it has {', '.join(f'{name} ({dtype})' for name, dtype in list(schema.items())[:8])}",
        )
    table = read_table(path, columns=found)
    return Known.of(pl.concat([table[name].cast(pl.String) for name in found]), params["n"])


def _require_text(path: Path, names: Sequence[str]) -> None:
    schema = scan_table(path).collect_schema()
    for name in names:
        if name not in schema:
            raise TableError(f"the table has no column {name!r}", where=str(path), hint=nearest(name, schema))
        if str(schema[name]) not in ("String", "Null"):
            raise TableError(f"the column {name!r} is of type {schema[name]}, and not text", where=str(path))
