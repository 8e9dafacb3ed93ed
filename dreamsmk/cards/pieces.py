"""The steps of a rule in shards, which are told as one: they differ in nothing but the rows that they worked on.

Contract: a step is one over a piece if that is what its one output is called. The records of the pieces stay whole; it
is only how they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# As `smk.piece_paths` calls them: results/shards/tweets/made-3-of-8.parquet
_PIECE = re.compile(r"(?:^|/)shards/[^/]+/(?:rows|made)-(\d+-of-\d+)\.parquet")


def is_piece(path: str) -> bool:
    """Says whether a path is that of a piece."""
    return _PIECE.search(path) is not None


def without_number(path: str) -> str:
    """Returns the path of a piece with a star for its number."""
    found = _PIECE.search(path)
    return path if found is None else f"{path[: found.start(1)]}*{path[found.end(1) :]}"


# Any: JSON of a card.
def is_of_piece(step: Mapping[str, Any]) -> bool:
    """Says whether a step of a card worked on a piece, or cut it."""
    return all(is_piece(output["path"]) for output in step["outputs"].values())


# Any: as above.
def together(steps: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Returns the steps in their order, those over the pieces of one rule together."""
    groups: dict[object, list[Mapping[str, Any]]] = {}
    for step in steps:
        key = (step["name"], step["task"]["name"]) if is_of_piece(step) else step["step"]
        groups.setdefault(key, []).append(step)
    return list(groups.values())
