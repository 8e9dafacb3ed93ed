"""What a family of metrics leaves: a function from rows to scores, and what each row scores by itself.

Contract: a score is worked out from the rows that it is asked about, of which one may be there several times. So the
scores of groups and the intervals of resampled rows need nothing of a metric that all rows do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    # Numbers of rows, from 0.
    RowNumbers = npt.NDArray[np.int64]
    Sums = npt.NDArray[np.float64]

# The lowest and the highest value that a score may well have.
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Metrics that are worked out together.

    Attributes:
        metrics: Their names.
        covered: For each row of the table whether it counts.
        values: Returns the value of each metric over at least one row.
        intervals: Returns the interval of each metric, None for one that has none; without it, rows are resampled.
    """

    metrics: tuple[str, ...]
    covered: npt.NDArray[np.bool_]
    values: Callable[[RowNumbers], Sequence[float]]
    intervals: Callable[[RowNumbers], Sequence[Interval | None]] | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that was measured of a candidate.

    Attributes:
        measured: The metrics.
        beside: What each row scores by itself, a column of the table's length by its name.
    """

    measured: list[Measured] = field(default_factory=list)
    beside: Mapping[str, pl.Series] = field(default_factory=dict)


# Measures, once everything that can be wrong with the rows has been looked for.
Work = Callable[[], Measurement]


def of_sums(
    metrics: Sequence[str],
    covered: npt.NDArray[np.bool_],
    statistics: Sums,
    finish: Callable[[Sums, int], Sequence[float]],
) -> Measured:
    """Returns metrics that depend on the sums of numbers of the rows alone.

    Args:
        metrics: Their names.
        covered: For each row whether it counts.
        statistics: The numbers of each row that counts, of shape (rows that count, numbers).
        finish: Makes the value of each metric of the sums and the number of rows.
    """
    place = positions(covered)
    return Measured(tuple(metrics), covered, lambda rows: finish(statistics[place[rows]].sum(axis=0), rows.size))


def positions(covered: npt.NDArray[np.bool_]) -> RowNumbers:
    """Returns for each row of the table which of those that count it is."""
    numbers: RowNumbers = covered.cumsum() - 1
    return numbers


def spread(values: npt.NDArray[np.float64], covered: npt.NDArray[np.bool_]) -> pl.Series:
    """Returns a column of the table's length with the values of the rows that count, and null for the others."""
    import polars as pl

    found = pl.Series(values=values, dtype=pl.Float64)
    return found.gather(pl.Series(values=positions(covered), dtype=pl.Int64).set(~pl.Series(values=covered), None))
