"""Rows whose text is nearly that of an earlier row, found by MinHash.

Contract: two texts are as alike as the sets of their shingles: what both have, as a share of what either has (Jaccard).
A MinHash signature (Broder, "On the resemblance and containment of documents", 1997) estimates it, as the share of the
permutations whose minimum agrees; its standard error is sqrt(t (1 - t) / permutations). Rows are taken in order: one is
a duplicate of the first kept row that is as alike as the threshold, so that likeness does not drift along a chain.
Pairs are looked for in bands of the signatures, which find one that is just at the threshold in 99 of 100 cases. The
signatures are those of the package rensa, and depend on the text, the seed and the version of its algorithm alone; they
wait in a file, and in memory are some numbers a row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dreamsmk.errors import MissingExtra, TableError
from dreamsmk.tables import scan_table
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows
from dreamsmk.tasks.context import Progress

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

# How surely the bands find a pair that is as alike as the threshold.
RECALL = 0.99
# Text whose shingles are in memory at once, as Python strings that take many times as much.
BATCH_BYTES = 4 * 1024 * 1024
ODD = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class Near:
    """What is nearly the same text; see `rules/deduplicate/meta.yaml`.

    Attributes:
        threshold: How alike two texts are that count as one, from 0 to 1.
        size: Words or characters of a shingle.
    """

    column: str
    threshold: float
    shingle: Literal["words", "characters"]
    size: int
    permutations: int
    seed: int


def first_like(
    source: Path, near: Near, first: NDArray[np.int64], *, folder: Path, progress: Progress
) -> NDArray[np.int64]:
    """Returns, for each row, the first kept row with nearly the same text, from 0; of the shape (rows,).

    Args:
        source: The table.
        near: The column, and what is near.
        first: The first row with just the same text, for each row.
        folder: Where the signatures wait, 4 bytes a row and permutation.
        progress: Where to say how far it is.

    Raises:
        TableError: The column is no text.
        MissingExtra: The package is not installed.
    """
    import numpy as np
    import polars as pl

    dtype = scan_table(source).collect_schema()[near.column]
    if str(dtype) not in ("String", "Null"):
        raise TableError(f"the column {near.column!r} is of type {dtype}, and not text", where=str(source))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".near-duplicates.", dir=folder) as own:
        rows, signatures = _signatures(source, near, first, Path(own), progress)
        leaders = _leaders(signatures, near)
        del signatures
    found = np.arange(len(first), dtype=np.int64)
    found[rows] = rows[leaders]
    is_equal = first != np.arange(len(first))
    found[is_equal] = found[first[is_equal]]
    null = scan_table(source).select(pl.col(near.column).is_null()).collect(engine="streaming").to_series().to_numpy()
    found[null] = np.flatnonzero(null)
    return found


def _signatures(
    source: Path, near: Near, first: NDArray[np.int64], folder: Path, progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Returns the rows that have shingles and repeat no other, and the signature of each, on disk."""
    import numpy as np

    try:
        from rensa import RMinHash  # type: ignore[import-untyped, unused-ignore]  # it publishes no types
    except ImportError as exc:
        raise MissingExtra("rensa", "deduplicate") from exc
    rows = [np.empty(0, dtype=np.int64)]
    with (folder / "signatures").open("wb") as file:
        done = 0
        for batch in batches_of(source, bounded_batch_rows(source, BATCH_BYTES)):
            stop = done + batch.height
            new = np.flatnonzero(first[done:stop] == np.arange(done, stop))
            shingles = [list(found) for found in _shingles(batch[near.column].gather(new), near)]
            has_any = np.array([bool(found) for found in shingles], dtype=np.bool_)
            sets = [found for found in shingles if found]
            matrix = RMinHash.digest_matrix_from_token_sets(sets, near.permutations, near.seed)
            file.write(np.array(matrix.to_rows(), dtype=np.uint32).tobytes())
            rows.append(done + new[has_any])
            done = stop
            progress.update(done, len(first))
    found = np.concatenate(rows)
    shape = (len(found), near.permutations)
    if not len(found):
        return found, np.empty(shape, dtype=np.uint32)
    return found, np.memmap(folder / "signatures", dtype=np.uint32, mode="r", shape=shape)


def _shingles(texts: pl.Series, near: Near) -> Iterator[list[str]]:
    """Yields the shingles of each text; a text shorter than one is one, and a text without words has none."""
    import polars as pl

    lowered = texts.cast(pl.String).str.to_lowercase()
    if near.shingle == "words":
        for words in lowered.str.extract_all(r"\w+"):
            found = [] if words is None else words.to_list()
            yield [" ".join(found[at : at + near.size]) for at in range(_count(len(found), near.size))]
    else:
        for text in lowered.str.replace_all(r"\s+", " ").str.strip_chars():
            yield [text[at : at + near.size] for at in range(_count(len(text), near.size))] if text else []


def _count(length: int, size: int) -> int:
    return 0 if length == 0 else max(length - size + 1, 1)


def band_rows(threshold: float, permutations: int) -> int:
    """Returns how many permutations make a band: as many as still find a pair at the threshold."""
    for size in range(permutations, 1, -1):
        if 1 - (1 - threshold**size) ** (permutations // size) >= RECALL:
            return size
    return 1


def _leaders(signatures: NDArray[np.uint32], near: Near) -> NDArray[np.int64]:
    """Returns, for each signature, the first kept one that is as alike as the threshold; of the shape (signatures,)."""
    import numpy as np

    leaders = np.arange(len(signatures), dtype=np.int64)
    buckets: dict[int, list[int]] = {}
    # whole numbers: a share of the permutations must not fail at the threshold for want of a float's last digit
    needed = near.threshold * near.permutations - 1e-9
    for row, members in _collisions(signatures, near):
        candidates = sorted({kept for bucket in members for kept in buckets.get(bucket, ())})
        if candidates:
            agreement = np.count_nonzero(signatures[candidates] == signatures[row], axis=1)
            alike = np.flatnonzero(agreement >= needed)
            if len(alike):
                leaders[row] = candidates[alike[0]]
                continue
        for bucket in members:
            buckets.setdefault(bucket, []).append(row)
    return leaders


def _collisions(signatures: NDArray[np.uint32], near: Near) -> Iterator[tuple[int, list[int]]]:
    """Yields each signature that shares a band with another, in order, and the numbers of the bands that it shares."""
    import numpy as np

    size = band_rows(near.threshold, near.permutations)
    found: list[NDArray[np.int64]] = [np.empty((0, 2), dtype=np.int64)]
    buckets = 0
    for band in range(near.permutations // size):
        hashes = _band_hashes(signatures[:, band * size : (band + 1) * size])
        order = np.argsort(hashes, kind="stable")
        is_new = np.ones(len(order), dtype=np.bool_)
        is_new[1:] = hashes[order[1:]] != hashes[order[:-1]]
        group = np.cumsum(is_new) - 1
        is_shared = np.bincount(group, minlength=1)[group] > 1
        found.append(np.column_stack([order[is_shared], group[is_shared] + buckets]))
        buckets += len(order)
    pairs = np.concatenate(found)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    rows, starts = np.unique(pairs[:, 0], return_index=True)
    for row, members in zip(rows.tolist(), np.split(pairs[:, 1], starts[1:]), strict=False):
        yield row, members.tolist()


def _band_hashes(band: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Returns a hash of each row of a band; where two rows of other numbers agree, their signatures are compared."""
    import numpy as np

    hashes = np.zeros(len(band), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in band.T:
            hashes = (hashes ^ column.astype(np.uint64)) * np.uint64(ODD)
            hashes ^= hashes >> np.uint64(29)
    return hashes
