"""Which fingerprints the targets on disk still stand for: those that made them, and all that made what those read.

Contract: what may be needed counts. Where several fingerprints gave a content that was read, all of them are reachable;
a target that was moved with its whole project, or is asked about from its folder, is found there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from dreamsmk.errors import IdentityError, TableError
from dreamsmk.hashing import DigestMemo
from dreamsmk.store.home import Home
from dreamsmk.store.placements import Placement, open_placements
from dreamsmk.store.records import Records


def reachable(home: Home, memo: DigestMemo) -> set[str]:
    """Returns the fingerprints that are reachable from targets whose content is still what was put there."""
    records = Records(home, memo)
    found: set[str] = set()
    pending = [placed.fingerprint for placed, _ in standing_targets(home, memo)]
    while pending:
        fingerprint = pending.pop()
        if fingerprint in found:
            continue
        found.add(fingerprint)
        record = records.load(fingerprint) or {"inputs": {}}
        for read in (entry for entries in record["inputs"].values() for entry in entries):
            pending += home.makers_of(read["digest"])
    return found


def standing_targets(home: Home, memo: DigestMemo) -> Iterator[tuple[Placement, Path]]:
    """Yields what was put at a path, and that path, where it still stands there."""
    for placed in open_placements(home).all():
        for path in possible_paths(placed, home):
            if _has_digest(path, placed.digest, memo):
                yield placed, path
                break


def possible_paths(placed: Placement, home: Home) -> list[Path]:
    """Returns where a target may be: where it was put, or there in a project that was moved with its home."""
    places = [Path(placed.at), home.path.parent / placed.path, Path(placed.path)]
    return list(dict.fromkeys(place.absolute() for place in places))


def _has_digest(path: Path, digest: str, memo: DigestMemo) -> bool:
    start = digest.partition("-")[0]
    kind: Literal["rows", "tree", "bytes"] = "rows" if start == "rows" else "tree" if start == "tree" else "bytes"
    try:
        return memo.of(path, kind) == digest
    except (OSError, IdentityError, TableError):
        return False
