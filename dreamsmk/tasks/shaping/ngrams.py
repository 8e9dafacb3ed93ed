r"""Runs of n words in columns of text, and which of them a given set of texts has too.

Contract: a word is a run of letters, digits and underscores (`\w+`), in lower case, so that case, punctuation and
spaces do not count. Runs are looked up by a hash of 64 bits, and what is found is compared word for word. The hashes
hold in one process alone, and decide no result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

# An odd number: multiplication by it loses no bit.
ODD = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class Words:
    """The words of several texts, one text after the other, and their runs.

    Attributes:
        words: All words.
        lengths: How many words each text has, of the shape (texts,).
        n: Words of a run.
        hashes: The hash of each run, of the shape (runs,).
        starts: The word that each run begins with, of the shape (runs,).
        texts: The text that each run is in, of the shape (runs,).
    """

    words: pl.Series
    lengths: NDArray[np.int64]
    n: int
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    texts: NDArray[np.int64]

    def run(self, number: int) -> list[str]:
        """Returns the words of a run."""
        found: list[str] = self.words.slice(int(self.starts[number]), self.n).to_list()
        return found


def words_of(texts: pl.Series, n: int) -> Words:
    """Returns the words of some texts and their runs of `n`; null has none."""
    import numpy as np
    import polars as pl

    listed = texts.cast(pl.String).fill_null("").str.to_lowercase().str.extract_all(r"\w+")
    lengths = listed.list.len().cast(pl.Int64).to_numpy()
    words = listed.explode(empty_as_null=False)
    of_word = words.hash(seed=1).to_numpy()
    text_of_word = np.repeat(np.arange(len(lengths)), lengths)
    count = max(len(of_word) - n + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for at in range(n):
            hashes = hashes * np.uint64(ODD) + of_word[at : at + count]
    # a run must not go on from one text into the next
    starts = np.flatnonzero(text_of_word[:count] == text_of_word[n - 1 : n - 1 + count])
    return Words(words, lengths, n, hashes[starts], starts, text_of_word[starts])


@dataclass(frozen=True, slots=True)
class Known:
    """The runs of words of a set of texts.

    Attributes:
        texts: How many texts there are.
        short_texts: How many of them have fewer words than a run, and so cannot be found.
    """

    texts: int
    short_texts: int
    _words: Words
    _hashes: NDArray[np.uint64]
    _at: NDArray[np.int64]

    @classmethod
    def of(cls, texts: pl.Series, n: int) -> Known:
        """Returns the runs of `n` words of some texts; null is no text."""
        import numpy as np

        given = texts.drop_nulls()
        words = words_of(given, n)
        hashes, at = np.unique(words.hashes, return_index=True)
        return cls(len(given), int(np.count_nonzero(words.lengths < n)), words, hashes, at)

    @property
    def ngrams(self) -> int:
        """How many different runs there are."""
        return len(self._hashes)

    def is_in(self, other: Words) -> NDArray[np.bool_]:
        """Tells for each of some texts whether it has one of the runs; of the shape (texts,)."""
        import numpy as np

        found = np.zeros(len(other.lengths), dtype=np.bool_)
        if not self.ngrams or not len(other.hashes):
            return found
        at = np.minimum(np.searchsorted(self._hashes, other.hashes), self.ngrams - 1)
        for number in np.flatnonzero(self._hashes[at] == other.hashes):
            text = other.texts[number]
            if not found[text] and self._words.run(int(self._at[at[number]])) == other.run(int(number)):
                found[text] = True
        return found
