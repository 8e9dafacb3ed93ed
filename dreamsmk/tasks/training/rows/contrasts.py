"""Pairs of labelled texts, for an encoder to learn which belong together.

Contract: the pairs follow from the labels, the parameters and the seed alone. They are drawn as setfit draws them
(Tunstall et al. 2022, arXiv:2209.11055; its `sampling_strategy` and `num_iterations`), but for two things: the order is
that of the rule's seed, and a text without labels is never told to differ from itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from dreamsmk.errors import TrainingError

if TYPE_CHECKING:
    import polars

Sampling = Literal["oversampling", "undersampling", "unique"]

MOST_ROWS = 5000
MOST_PAIRS = 2_000_000


def contrasting_pairs(
    texts: Sequence[str],
    targets: Sequence[Sequence[float]],
    *,
    sampling: Sampling,
    iterations: int | None,
    seed: int,
    where: str,
) -> polars.DataFrame:
    """Returns pairs of texts, with the cosine that their vectors should have.

    Columns: `first`, `second`, and `label`, 1 where they share a label (as each text with itself), else 0.

    Args:
        texts: The texts.
        targets: Of each text one number a label, above 0 where it has the label.
        sampling: How many pairs of the two kinds there are: `oversampling` repeats those of the rarer kind,
            `undersampling` leaves some of the other out, `unique` takes each once.
        iterations: Takes so many pairs of each kind a text instead.
        seed: Decides which pairs are taken, repeated or left out.
        where: What to call the table in errors.

    Raises:
        TrainingError: There are too many rows or pairs, or all rows share their labels.
    """
    import numpy as np
    import polars as pl

    if len(texts) > MOST_ROWS:
        raise TrainingError(
            f"there are {len(texts)} rows, and pairs are made of {MOST_ROWS} at most",
            where=where,
            hint="sample some of them (rule sample), or train a `classifier` on all",
        )
    alike, others = _all_pairs(np.asarray(targets) > 0, np.random.RandomState(seed))
    if not len(alike) or not len(others):
        raise TrainingError("no two rows have other labels", where=where, hint="give rows with labels of their own")
    counts = _counts(len(alike), len(others), len(texts), sampling, iterations)
    if sum(counts) > MOST_PAIRS:
        raise TrainingError(
            f"the rows make {sum(counts)} pairs, and {MOST_PAIRS} are the most",
            where=where,
            hint="say how many are made of each text: num_iterations: 20",
        )
    # np.resize repeats from the beginning
    chosen = np.concatenate([np.resize(kind, (count, 2)) for kind, count in zip((alike, others), counts, strict=True)])
    labels = np.repeat(np.array([1.0, 0.0], dtype=np.float32), counts)
    column = pl.Series(texts, dtype=pl.String)
    return pl.DataFrame({"first": column.gather(chosen[:, 0]), "second": column.gather(chosen[:, 1]), "label": labels})


# Any: numpy arrays, and its generator, whose numbers are the same in all versions.
def _all_pairs(labels: Any, random: Any) -> tuple[Any, Any]:
    """Returns the pairs of rows that share a label, and those that do not, in random order."""
    import numpy as np

    first, second = np.triu_indices(len(labels))
    is_alike = (labels.astype(np.float32) @ labels.T.astype(np.float32) > 0)[first, second]
    pairs = np.stack([first, second], axis=1)
    others = pairs[~is_alike & (first != second)]
    return random.permutation(pairs[is_alike]), random.permutation(others)


def _counts(alike: int, others: int, rows: int, sampling: Sampling, iterations: int | None) -> tuple[int, int]:
    if iterations is not None:
        return rows * iterations, rows * iterations
    if sampling == "unique":
        return alike, others
    count = max(alike, others) if sampling == "oversampling" else min(alike, others)
    return count, count
