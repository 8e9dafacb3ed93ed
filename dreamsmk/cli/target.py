"""What the commands that ask about a target share: its path, and the state that knows it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, StoreError, nearest
from dreamsmk.store import Home, Records, open_records


def add_target(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of a command that asks about one target."""
    parser.add_argument("target", type=Path, help="a file or folder that the workflow made")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_home(parser: argparse._ActionsContainer) -> None:
    """Adds the option that says where dreamsmk's state lies."""
    parser.add_argument("--home", help="dreamsmk's folder (default: DREAMSMK_HOME, else .dreamsmk)")


def open_home(configured: str | None) -> Home:
    """Returns the home.

    Raises:
        SettingsError: There is none.
    """
    home = Home.of(configured)
    if not home.path.is_dir():
        raise SettingsError(
            "there is no state of dreamsmk here",
            where=str(home.path),
            hint="run snakemake first, go to the workflow's folder, or give --home",
        )
    return home


# Any: JSON.
def record_of(target: Path, home: Home) -> tuple[Records, dict[str, Any]]:
    """Returns the records and that of a target.

    Raises:
        SettingsError: The target does not exist.
        StoreError: No job is known to have made it as it is.
    """
    records = open_records(home.path)
    if not target.exists():
        raise SettingsError(f"there is no {str(target)!r}", hint=nearest_path(target))
    record = records.producer(target)
    if record is None:
        changed = records.last_at(target) is not None
        raise StoreError(
            "the target was changed after it was made" if changed else "no job is known to have made this",
            where=str(target),
            hint="run snakemake to make it anew" if changed else "it is a source, or was made without dreamsmk",
        )
    return records, record


def nearest_path(missing: Path) -> str:
    """Returns a hint that names the path nearest to one that is not there, in the first folder above that is."""
    while not missing.parent.is_dir():
        missing = missing.parent
    names = [str(path) for path in missing.parent.glob("[!.]*")]
    return nearest(str(missing), names) if names else "run snakemake to make it"


class LastMade:
    """Records that know a target by its path, where its content is gone or was changed.

    Args:
        records: The records.
        otherwise: What made, or would make, a target that they know neither by content nor by path.
    """

    # Any: JSON.
    def __init__(self, records: Records, otherwise: Mapping[str, Any] | None = None) -> None:
        self._records = records
        self._otherwise = otherwise

    # Any: JSON.
    def producer(self, path: Path) -> Mapping[str, Any] | None:
        """Returns the record of what is, or was last, at a path."""
        return self._records.producer(path) or self._records.last_at(path) or self._otherwise

    # Any: JSON.
    def by_digest(self, digest: str, path: str) -> Mapping[str, Any] | None:
        """Returns the record with an output of this content."""
        return self._records.by_digest(digest, path)
