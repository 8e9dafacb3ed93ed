"""How sure a score is: 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dreamsmk.tasks.evaluation.measured import Interval

if TYPE_CHECKING:
    from dreamsmk.tasks.evaluation.measured import RowNumbers

CONFIDENCE = 0.95
# the quantile of the normal distribution that 97.5 % are below
_Z = 1.959963984540054


def bootstrap(
    values: Callable[[RowNumbers], Sequence[float]], rows: RowNumbers, *, resamples: int, seed: int
) -> list[Interval]:
    """Returns the percentile interval of each value over resampled rows (Efron and Tibshirani, 1993, chapter 13).

    Candidates with as many rows get the very same draws, so that their intervals differ by what they scored alone.

    Args:
        values: The values of some rows.
        rows: The rows to draw from, at least one.
        resamples: How often as many rows are drawn, with replacement.
        seed: Seed of the draws.
    """
    import numpy as np

    draws = np.random.default_rng(seed)
    drawn = np.array([values(rows[draws.integers(0, rows.size, rows.size)]) for _ in range(resamples)], dtype=float)
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [outside, 1 - outside], axis=0)
    return [(float(one), float(other)) for one, other in zip(low, high, strict=True)]


def wilson(successes: float, trials: int) -> Interval:
    """Returns the score interval of a share (Wilson, "Probable Inference", 1927), which holds for few trials too.

    Args:
        successes: How many of the trials went well; a tie is a half.
        trials: How many there were, at least one.
    """
    share = successes / trials
    centre = share + _Z**2 / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    scale = 1 + _Z**2 / trials
    # rounding may leave a hair outside
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
