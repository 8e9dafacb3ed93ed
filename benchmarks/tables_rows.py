"""The rows that the table benchmarks work on: about 200 bytes each, the same on every machine.

Columns: `id` (Int64), `label` (one of eight), `score` (Float64, 0 to 1) and `text` (30 words of five letters). One row
in ten repeats an earlier row in all columns but `id`. `python -m benchmarks.tables_rows TABLE ROWS` writes a table.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from dreamsmk.tables import TableWriter

WORDS = 30
VOCABULARY = 4096
BATCH_ROWS = 200_000
REPEATED = 10


def write_rows(path: Path, rows: int) -> None:
    """Writes a table of so many rows."""
    letters = np.random.default_rng(0).integers(ord("a"), ord("z") + 1, (VOCABULARY, 5), dtype=np.uint8)
    words = np.concatenate([letters, np.full((VOCABULARY, 1), ord(" "), dtype=np.uint8)], axis=1)
    with TableWriter(path) as table:
        for start in range(0, rows, BATCH_ROWS):
            table.write(_batch(words, np.arange(start, min(start + BATCH_ROWS, rows))))


def _batch(words: np.ndarray, ids: np.ndarray) -> pl.DataFrame:
    """Makes rows; those whose number ends in 9 repeat the row before."""
    sources = np.where(ids % REPEATED == REPEATED - 1, ids - 1, ids)
    random = np.random.default_rng(int(ids[0]))
    chosen = random.integers(0, len(words), (len(ids), WORDS))
    score, label = random.random(len(ids)), random.integers(0, 8, len(ids))
    at = sources - ids[0]  # batches start at multiples of ten, so that a row and its repetition are in one
    bytes_ = words[chosen[at]].reshape(len(ids), -1)[:, :-1]
    text = pl.Series("text", np.ascontiguousarray(bytes_).view(f"S{bytes_.shape[1]}").ravel().tolist(), dtype=pl.Binary)
    names = pl.Series([f"label {number}" for number in range(8)])
    return pl.DataFrame(
        {
            "id": ids.astype(np.int64),
            "label": names.gather(label[at]),
            "score": score[at],
            "text": text.cast(pl.String),
        }
    )


if __name__ == "__main__":
    write_rows(Path(sys.argv[1]), int(sys.argv[2]))
    print("{}")
