"""Where the pieces of a rule in shards lie: in `shards/` beside the table that they are pieces of.

Contract: two tables never share a piece, whatever wildcards their paths have, and a piece never lies where a table of
the user's could: `results/tweets.parquet` has `results/shards/tweets/rows-3-of-8.parquet`, what the third job reads,
and `results/shards/tweets/made-3-of-8.parquet`, what it makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

# The wildcard that tells pieces apart, and its values: as in Snakemake's own scatter-gather.
ITEM = "scatteritem"


def items(shards: int) -> Iterator[str]:
    """Yields the names of the pieces: `1-of-8` to `8-of-8`."""
    return (f"{number}-of-{shards}" for number in range(1, shards + 1))


# Any: a path as a rule has it, with Snakemake's flags.
def input_piece(output: Any) -> str:
    """Returns the pattern of the pieces that are worked on."""
    return _beside(output, "rows")


# Any: as above.
def output_piece(output: Any) -> str:
    """Returns the pattern of the pieces that are made."""
    return _beside(output, "made")


# Any: a path as a rule has it; a function where the user gave one.
def with_item(path: Any) -> Any:
    """Returns the path of a log or benchmark file of the user's with the piece in it: `logs/tweets/3-of-8.log`."""
    if callable(path):
        return path
    own = PurePosixPath(str(path))
    return str(own.with_suffix("") / f"{{{ITEM}}}{own.suffix}")


# Any: as above.
def _beside(output: Any, what: str) -> str:
    from snakemake.io import strip_wildcard_constraints

    path = PurePosixPath(strip_wildcard_constraints(str(output)))
    return str(path.parent / "shards" / path.stem / f"{what}-{{{ITEM}}}.parquet")
