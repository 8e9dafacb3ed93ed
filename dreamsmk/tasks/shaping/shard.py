"""One of several pieces of a table, so that as many jobs can work on it.

Contract: the pieces are stretches of the table; gathered in order, they are the table. In the layout `equal` they are
as equal in size as can be. In the layout `steady` all but the last ones have a size that a few rows more do not change,
so that rows at the end change only the last piece: it is at most a sixteenth above the equal one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks import unchanged
from dreamsmk.tasks.context import Context

# As Snakemake's scatter-gather names its items.
SHARD = re.compile(r"(\d+)-of-(\d+)")

# Sizes of steady pieces have this many binary digits, and zeros after them.
_STEADY_DIGITS = 5


def shard(context: Context) -> None:
    """Writes the rows of one piece."""
    params = context.params
    start, stop = stretch(params["shard"], row_count(context.input()), is_steady=params["layout"] == "steady")
    write_table(scan_table(context.input()).slice(start, stop - start), context.output())
    context.facts["rows"] = stop - start


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns: those of the input.

    Raises:
        SettingsError: There is no such piece.
    """
    stretch(params["shard"], 0)
    return unchanged.columns(params, inputs)


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of the piece."""
    have = inputs.get("table")
    if have is None:
        return {"table": None}
    start, stop = stretch(params["shard"], have, is_steady=params["layout"] == "steady")
    return {"table": stop - start}


def stretch(shard: str, height: int, *, is_steady: bool = False) -> tuple[int, int]:
    """Returns the first row of a piece and the row after its last one.

    Raises:
        SettingsError: There is no such piece.
    """
    found = SHARD.fullmatch(shard)
    number, pieces = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= pieces:
        raise SettingsError(f"{shard!r} is no piece", where="params.shard", hint="write it like 1-of-8 to 8-of-8")
    if is_steady:
        size = _steady_size(-(-height // pieces))
        return min(size * (number - 1), height), min(size * number, height)
    return height * (number - 1) // pieces, height * number // pieces


def _steady_size(least: int) -> int:
    """Returns the next number from `least` on that has few binary digits."""
    step = 1 << max(0, least.bit_length() - _STEADY_DIGITS)
    return -(-least // step) * step
