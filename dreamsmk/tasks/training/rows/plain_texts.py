"""Rows that are plain texts, as token ids and labels: continued pre-training.

Contract: every token has a label, and the end of a text is learnt as its last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TableError, TrainingError
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.training.rows.examples import labelled_table, rows_in_words

if TYPE_CHECKING:
    import polars

_CHUNK_TEXTS = 1000


# Any: transformers publishes no types.
def encode_texts(
    path: Path, column: str, tokenizer: Any, *, max_length: int, truncate: bool, split: bool
) -> polars.DataFrame:
    """Returns a table with the columns `input_ids` and `labels`, a row for each text, or for each piece of one.

    Args:
        path: The table.
        column: That of the texts.
        tokenizer: A tokenizer of transformers.
        max_length: The most tokens that a row may have.
        truncate: Whether the end of a longer text is cut off, rather than being an error.
        split: Whether a longer text becomes several rows, rather than being an error.

    Raises:
        TableError: The table is empty, or the column is missing, holds no texts, or has a cell without a value.
        TrainingError: Texts are empty or too long.
    """
    texts = read_texts(path, column)
    if not texts:
        raise TableError("the table has no rows to train on", where=str(path))
    if empty := [row for row, text in enumerate(texts) if not text]:
        raise TrainingError(
            f"{len(empty)} texts are empty",
            where=f"{path}, column {column!r}, {rows_in_words(empty)}",
            hint="leave these rows out",
        )
    rows = _ids(texts, tokenizer)
    if split:
        rows = (piece for ids in rows for piece in _pieces(ids, max_length))
    return labelled_table(((ids, ids) for ids in rows), max_length=max_length, truncate=truncate, where=str(path))


# Any: as above.
def _ids(texts: Sequence[str], tokenizer: Any) -> Iterator[list[int]]:
    end = tokenizer.eos_token_id
    for begin in range(0, len(texts), _CHUNK_TEXTS):
        for ids in tokenizer(list(texts[begin : begin + _CHUNK_TEXTS]))["input_ids"]:
            # some tokenizers put it there themselves
            yield ids if end is None or ids[-1:] == [end] else [*ids, end]


def _pieces(ids: list[int], length: int) -> Iterator[list[int]]:
    for begin in range(0, len(ids), length):
        # a last piece of one token has nothing before it that it could be told from
        if len(piece := ids[begin : begin + length]) > 1 or len(ids) == 1:
            yield piece
