"""`dreamsmk store stats|gc|verify`: what the store holds, what may go, and whether it is whole."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import asdict

from dreamsmk.cli.quantities import duration_seconds, shown_size, size_bytes
from dreamsmk.cli.table import print_table
from dreamsmk.cli.target import add_home, open_home
from dreamsmk.hashing import DigestMemo
from dreamsmk.store import Records
from dreamsmk.store.collect import Collection, Policy, collect
from dreamsmk.store.inventory import store_stats
from dreamsmk.store.verify import Verified, verify


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    about = "look into the store of outputs, and keep it small and whole"
    parser = commands.add_parser("store", help=about, description=f"{about.capitalize()}.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    stats = verbs.add_parser("stats", help="entries and sizes, by task and by part")
    stats.set_defaults(run=run_stats)
    gc = verbs.add_parser("gc", help="remove what killed jobs left, and entries by age, size or reachability")
    _add_policy(gc)
    gc.set_defaults(run=run_gc)
    check = verbs.add_parser("verify", help="read every stored output and drop what is damaged (exit status 1)")
    check.add_argument("--dry-run", action="store_true", help="only report")
    check.set_defaults(run=run_verify)
    for verb in (stats, gc, check):
        add_home(verb)
        verb.add_argument("--json", action="store_true", help="print JSON")


def _add_policy(gc: argparse.ArgumentParser) -> None:
    gc.description = (
        "Removes what killed jobs left. Entries go only if one of --older-than, --max-size and --unreachable is given; "
        "with several of them, only those that all of them choose. Model calls are never removed."
    )
    gc.add_argument("--dry-run", action="store_true", help="only say what would go")
    gc.add_argument(
        "--older-than", type=duration_seconds, metavar="AGE", help="entries not used for so long: 30d, 12h, 2w"
    )
    gc.add_argument(
        "--max-size", type=size_bytes, metavar="SIZE", help="entries unused longest, until the rest fits: 20G, 500M"
    )
    gc.add_argument("--unreachable", action="store_true", help="entries that no target on disk goes back to")
    gc.add_argument(
        "--grace",
        type=duration_seconds,
        default=Policy().grace_seconds,
        metavar="AGE",
        help="how long to keep what a killed job can go on from (default: 7d)",
    )
    gc.add_argument("--records", action="store_true", help="also records without an entry or a target on disk")


def run_stats(given: argparse.Namespace) -> int:
    """Prints one line a task and one a part."""
    home = open_home(given.home)
    with DigestMemo(home.digests) as memo:
        stats = store_stats(home, Records(home, memo))
    if given.json:
        print(json.dumps(asdict(stats), indent=2))
        return 0
    if stats.tasks:
        print_table([{"task": u.task, "entries": u.entries, "size": shown_size(u.size_bytes)} for u in stats.tasks])
        print()
    print_table([{"part": part, "size": shown_size(size)} for part, size in stats.parts.items()])
    print()
    print(f"{stats.entries:,} entries, {shown_size(stats.size_bytes)}")
    if stats.entries:
        print(f"used between {stats.oldest_use} and {stats.newest_use}")
    return 0


def run_gc(given: argparse.Namespace) -> int:
    """Collects, and prints one line a kind of what went."""
    home = open_home(given.home)
    policy = Policy(
        older_than_seconds=given.older_than,
        max_size_bytes=given.max_size,
        is_unreachable=given.unreachable,
        grace_seconds=given.grace,
        with_records=given.records,
        is_dry_run=given.dry_run,
    )
    with DigestMemo(home.digests) as memo:
        collection = collect(home, memo, policy)
    freed = sum(each.freed_bytes for each in collection.collected)
    if given.json:
        print(json.dumps(asdict(collection) | {"freed_bytes": freed, "dry_run": given.dry_run}, indent=2))
        return 0
    _print_collection(collection)
    print(f"{'would free' if given.dry_run else 'freed'} {shown_size(freed)}")
    print(f"{collection.entries_left:,} entries left, {shown_size(collection.size_bytes_left)}")
    if collection.in_use:
        print(f"{collection.in_use:,} left alone, a job uses them", file=sys.stderr)
    return 0


def _print_collection(collection: Collection) -> None:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in collection.collected:
        groups[each.kind, each.task].append(each.freed_bytes)
    if groups:
        print_table(
            [
                {"what": kind, "task": task or None, "count": len(sizes), "size": shown_size(sum(sizes))}
                for (kind, task), sizes in sorted(groups.items())
            ]
        )


def run_verify(given: argparse.Namespace) -> int:
    """Prints one line a damaged output.

    Returns:
        1 if there is any, else 0.
    """
    verified = verify(open_home(given.home), is_dry_run=given.dry_run)
    if given.json:
        print(json.dumps(asdict(verified) | {"dry_run": given.dry_run}, indent=2))
    else:
        if verified.damages:
            print_table([asdict(damage) for damage in verified.damages])
        print(
            f"{verified.entries:,} entries, {shown_size(verified.size_bytes)} read: {_found(verified, given.dry_run)}"
        )
        if verified.in_use:
            print(f"{verified.in_use:,} left alone, a job uses them", file=sys.stderr)
    return 1 if verified.damages else 0


def _found(verified: Verified, is_dry_run: bool) -> str:
    if not verified.damages:
        return "all whole"
    return f"{len(verified.damages):,} damaged" + ("" if is_dry_run else ", dropped")
