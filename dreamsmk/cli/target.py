"""What the commands that ask about a target share: its path, and the state that knows it."""

from __future__ import annotations

import argparse
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
        raise SettingsError(f"there is no {str(target)!r}", hint=_nearest_path(target))
    record = records.producer(target)
    if record is None:
        changed = records.last_at(target) is not None
        raise StoreError(
            "the target was changed after it was made" if changed else "no job is known to have made this",
            where=str(target),
            hint="run snakemake to make it anew" if changed else "it is a source, or was made without dreamsmk",
        )
    return records, record


def _nearest_path(missing: Path) -> str:
    """Returns a hint that names the path nearest to one that is not there, in the first folder above that is."""
    while not missing.parent.is_dir():
        missing = missing.parent
    names = [str(path) for path in missing.parent.glob("[!.]*")]
    return nearest(str(missing), names) if names else "run snakemake to make it"
