"""A table in parts: train, validation, test.

Contract: every row goes into exactly one part, and rows keep their order; with a seed they are shuffled first, the same
way every time. Shares must add up to 1, counts to the number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tables import read_table, write_table
from dreamsmk.tasks.context import Context

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
    frame = read_table(context.input())
    if params["seed"] is not None:
        frame = frame.sample(fraction=1.0, shuffle=True, seed=params["seed"])
    start = 0
    for part, rows in _counts(sizes, frame.height, str(context.input())).items():
        write_table(frame.slice(start, rows), context.output(part))
        context.facts[f"{part}_rows"] = rows
        start += rows


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
