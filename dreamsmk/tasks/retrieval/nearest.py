"""The entries of an index that are nearest to vectors.

Contract: with a flat index the answer is exact, whatever the batch and the number of threads: the entries with the best
scores, equal scores by row, where a score is worked out in float64 from the float32 vectors and rounded to float32.
FAISS finds candidates; they are scored again, and more are fetched until none that is left out could be among them.
Other indexes answer as FAISS does, equal scores by row among what it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TableError
from dreamsmk.tasks.retrieval.vector_index import IndexDescription, open_index

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dreamsmk.tasks.retrieval.vectors import Matrix

# Candidates beyond k that are fetched at first, and the most before every entry is scored instead.
_SPARE = 16
_MOST_CANDIDATES = 4096
# Numbers that are scored at once.
_BLOCK_NUMBERS = 4_000_000
_FLOAT32_STEP = 2.0**-23


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found for one vector, best first.

    Attributes:
        rows: Row numbers, of the shape (hits,).
        scores: Of the shape (hits,): inner products, or squared distances.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class Searcher:
    """Looks vectors up in an index.

    Args:
        folder: The index's folder.
        described: What it says of itself.
        search: Parameters of the search; see `open_index`.
        threads: How many threads may search.
    """

    def __init__(
        self, folder: Path, described: IndexDescription, search: str | None = None, *, threads: int = 1
    ) -> None:
        self._described = described
        self._is_l2 = described.metric == "l2"
        # Any: FAISS has no types.
        self._index: Any = open_index(folder, search, threads=threads) if described.rows else None
        self._entries = _entries(self._index)
        self._longest = _longest(self._entries)

    def nearest(self, queries: Matrix, k: int) -> list[Hits]:
        """Returns the k nearest entries of each vector, all of them where there are fewer.

        Args:
            queries: Of the shape (vectors, dimensions), scaled as the index wants them.
            k: How many.
        """
        import numpy as np

        if self._index is None:
            none = Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
            return [none] * len(queries)
        if queries.shape[1] != self._index.d:
            raise TableError(
                f"the vectors have {queries.shape[1]} numbers, and those of the index have {self._index.d}",
                hint="look them up with the model that the index was made with",
            )
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        k = min(k, self._described.rows)
        return self._as_found(queries, k) if self._entries is None else self._exact(queries, k)

    def _as_found(self, queries: Matrix, k: int) -> list[Hits]:
        import numpy as np

        scores, rows = self._index.search(queries, k)
        found = []
        for each, of in zip(scores, rows, strict=True):
            # FAISS says -1 where it found no more
            order = [place for place in _order(each, of, self._is_l2) if of[place] >= 0]
            found.append(Hits(of[order].astype(np.int64), each[order]))
        return found

    def _exact(self, queries: Matrix, k: int) -> list[Hits]:
        found: dict[int, Hits] = {}
        waiting, count = list(range(len(queries))), k + _SPARE
        while waiting and count <= max(_MOST_CANDIDATES, k + _SPARE):
            count = min(count, self._described.rows)
            scores, rows = self._index.search(queries[waiting], count)
            for place, query in enumerate(waiting):
                hits = self._scored(queries[query], rows[place], k)
                if count == self._described.rows or self._is_settled(queries[query], hits, scores[place][-1]):
                    found[query] = hits
            waiting = [query for query in waiting if query not in found]
            count *= 4
        return [found[query] if query in found else self._of_all(queries[query], k) for query in range(len(queries))]

    def _is_settled(self, query: NDArray[np.float32], hits: Hits, last: float) -> bool:
        """Says whether no entry worse than `last`, as FAISS scores it, can be as good as the worst hit."""
        import numpy as np

        length = float(np.linalg.norm(query.astype(np.float64)))
        # How far float32 sums of so many products may be off, at most, and the rounding of the hit's own score.
        size = (length + self._longest) ** 2 if self._is_l2 else length * self._longest
        error = 2.0 * (len(query) + 8) * _FLOAT32_STEP * size
        worst = float(hits.scores[-1])
        return worst + error < last if self._is_l2 else worst - error > last

    def _scored(self, query: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> Hits:
        """Returns the best k of some rows, scored exactly."""
        import numpy as np

        assert self._entries is not None
        step = max(1, _BLOCK_NUMBERS // len(query))
        wide = query.astype(np.float64)
        parts = []
        for start in range(0, len(rows), step):
            entries = self._entries[rows[start : start + step]].astype(np.float64)
            # a sum along each row by itself, so that a score does not depend on how many there are
            parts.append(np.square(entries - wide).sum(axis=1) if self._is_l2 else (entries * wide).sum(axis=1))
        scores = np.concatenate(parts).astype(np.float32)
        best = _order(scores, rows, self._is_l2)[:k]
        return Hits(rows[best].astype(np.int64), scores[best])

    def _of_all(self, query: NDArray[np.float32], k: int) -> Hits:
        """Returns the best k of all rows: for the rare query that a great many entries are equally near to."""
        import numpy as np

        assert self._entries is not None
        return self._scored(query, np.arange(len(self._entries)), k)


def _order(scores: NDArray[np.float32], rows: NDArray[np.int64], is_l2: bool) -> NDArray[np.int64]:
    import numpy as np

    return np.lexsort((rows, scores if is_l2 else -scores))


# Any: FAISS has no types.
def _entries(index: Any) -> Matrix | None:
    """Returns the vectors of a flat index, as they lie in memory; None for an index of another kind."""
    import faiss

    if not isinstance(index, faiss.IndexFlat):
        return None
    vectors: Matrix = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
    return vectors


def _longest(entries: Matrix | None) -> float:
    import numpy as np

    if entries is None:
        return 0.0
    step = max(1, _BLOCK_NUMBERS // max(1, entries.shape[1]))
    blocks = (entries[start : start + step].astype(np.float64) for start in range(0, len(entries), step))
    return max((float(np.sqrt(np.square(block).sum(axis=1).max())) for block in blocks), default=0.0)
