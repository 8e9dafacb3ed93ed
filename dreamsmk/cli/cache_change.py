"""`dreamsmk cache drop|vacuum`: what takes something away.

Contract: nothing is dropped that was not asked for: no filter is not all, and without `--yes` somebody must say so.
"""

from __future__ import annotations

import argparse
import sys

from dreamsmk.calls import ALL
from dreamsmk.cli.cache_choice import existing_cache, selection_of
from dreamsmk.errors import SettingsError


def run_drop(given: argparse.Namespace) -> int:
    """Drops calls, and prints how many."""
    selection = selection_of(given)
    if (selection == ALL) != given.all:
        raise SettingsError(
            "--all goes with no other choice" if given.all else "nothing says which calls are to go",
            hint="give --model, --provider, --rule, --older-than, --newer-than or --containing; or --all alone",
        )
    with existing_cache(given) as cache:
        count = cache.count(selection) if cache is not None else 0
        if given.dry_run or cache is None or count == 0:
            print(f"{count:,} calls would be dropped" if given.dry_run else "there are no such calls")
            return 0
        if not given.yes and not _is_sure(count):
            return 1
        print(f"{cache.drop(selection):,} calls dropped")
    return 0


def run_vacuum(given: argparse.Namespace) -> int:
    """Gives space back."""
    with existing_cache(given) as cache:
        if cache is not None:
            cache.vacuum()
    return 0


def _is_sure(count: int) -> bool:
    if not sys.stdin.isatty():
        raise SettingsError(f"{count:,} calls would be dropped", hint="add --yes to drop them")
    print(f"Drop {count:,} calls for ever? They were paid for. [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
