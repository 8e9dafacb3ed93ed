"""A table in parts: train, validation, test.

Contract: every row goes into exactly one part, and rows keep their order; with a seed they are shuffled first, the same
way every time (`permutation`). With a column to stratify by, each part has about its share of the rows of each value.
Shares must add up to 1, counts to the number of rows. A table larger than memory passes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tables import read_table, require_columns, row_count, scan_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.permutation import ranks, write_ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARTS = ("train", "validation", "test")


def split(context: Context) -> None:
    """Writes the parts that the rule has outputs for."""
    params = context.params
    sizes = {part: params[part] for part in PARTS if params[part] is not None}
    if set(sizes) != set(context.outputs):
        raise SettingsError(
            f"the sizes are given for {', '.join(sizes)}, and the outputs are {', '.join(context.outputs)}",
            where="params",
            hint="give one size for each output",
        )
    source, start = context.input(), 0
    height = row_count(source)
    counts = _counts(sizes, height, str(source))
    order = _order(params, source, height)
    for part, rows in counts.items():
        if order is None:
            write_table(scan_table(source).slice(start, rows), context.output(part))
        else:
            ranked, stretch = order.part(start, rows)
            write_ranked(source, ranked, stretch, context.output(part))
        context.facts[f"{part}_rows"] = rows
        start += rows


@dataclass(frozen=True, slots=True)
class _Order:
    """In which order rows are cut into parts, and in which they stand in each.

    Attributes:
        cut: Where each row stands when the parts are cut, from 0.
        rank: Where each row stands in its part, relative to the others.
    """

    cut: NDArray[np.int64]
    rank: NDArray[np.int64]

    def part(self, start: int, rows: int) -> tuple[NDArray[np.int64], range]:
        """Returns the rank in its part of each row of a part, -1 for all other rows, and all these ranks."""
        import numpy as np

        members = np.flatnonzero((self.cut >= start) & (self.cut < start + rows))
        ranked = np.full(len(self.cut), -1, dtype=np.int64)
        ranked[members[np.argsort(self.rank[members], kind="stable")]] = np.arange(rows, dtype=np.int64)
        return ranked, range(rows)


# Any: JSON.
def _order(params: Mapping[str, Any], source: Path, height: int) -> _Order | None:
    """Returns the order of the rows; None where it is that of the table."""
    import numpy as np

    seed, column = params["seed"], params["stratify_by"]
    if seed is None and column is None:
        return None
    rank = np.arange(height, dtype=np.int64) if seed is None else ranks(seed, height)
    return _Order(rank if column is None else _even(strata(source, column), rank), rank)


def strata(source: Path, column: str) -> NDArray[np.int64]:
    """Returns the number of each row's group, of the shape (rows,); rows without a value are a group too."""
    import polars as pl

    require_columns(source, [column])
    values = read_table(source, columns=[column])[column]
    groups: NDArray[np.int64] = values.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    return groups


def _even(groups: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns an order in which every stretch has about its share of each group.

    The j-th of a group's m rows goes to the place (j + 1/2) / m of the whole; ties go by rank.
    """
    import numpy as np

    by_group = np.lexsort((rank, groups))
    sizes = np.bincount(groups)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    inside = np.arange(len(groups)) - starts[groups[by_group]]
    place = np.empty(len(groups))
    place[by_group] = (inside + 0.5) / sizes[groups[by_group]]
    cut = np.empty(len(groups), dtype=np.int64)
    cut[np.lexsort((rank, place))] = np.arange(len(groups), dtype=np.int64)
    return cut


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each part: those of the input."""
    have = inputs.get("table")
    return {part: None if have is None else list(have) for part in PARTS if params[part] is not None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each part.

    Raises:
        SettingsError: The sizes do not fit the number of rows.
        TableError: A part would be empty.
    """
    have = inputs.get("table")
    sizes = {part: params[part] for part in PARTS if params[part] is not None}
    return dict.fromkeys(sizes) if have is None else dict(_counts(sizes, have, "params"))


def _counts(sizes: Mapping[str, float], height: int, where: str) -> dict[str, int]:
    """Turns shares or counts into counts that add up to the number of rows."""
    total = sum(sizes.values())
    # shares that add up to 1 are shares in a table of one row too; a single 1 is all of any table
    if total != 1 and all(float(size).is_integer() for size in sizes.values()):
        if total != height:
            raise SettingsError(
                f"the parts add up to {total:g} rows, and the table has {height}",
                where=where,
                hint="give shares, as 0.9",
            )
        return {part: int(size) for part, size in sizes.items()}
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise SettingsError(f"the shares add up to {total:g}, not to 1", where="params", hint="as 0.9 and 0.1")
    ends = [round(height * share) for share in _running(sizes.values())]
    counts = {part: end - start for part, start, end in zip(sizes, [0, *ends], ends, strict=False)}
    for part, rows in counts.items():
        if height and rows == 0:
            raise TableError(
                f"{part!r} would have no rows: {sizes[part]:g} of {height}", where=where, hint="raise its share"
            )
    return counts


def _running(shares: Any) -> list[float]:  # Any: a view of numbers
    total, ends = 0.0, []
    for share in shares:
        total += share
        ends.append(total)
    return ends
