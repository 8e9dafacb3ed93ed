"""`dreamsmk cache`: what the call cache holds, and what is to be done with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from dreamsmk.cli import cache_change, cache_files, cache_list, cache_show, cache_stats
from dreamsmk.cli.cache_choice import add_selection, add_where
from dreamsmk.cli.quantities import positive

SHOWN_CALLS = 20


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    about = "look into the call cache, and keep, drop, export or import calls"
    parser = commands.add_parser("cache", help=about, description=f"{about.capitalize()}.")
    verbs = parser.add_subparsers(title="verbs", dest="verb", required=True, metavar="VERB")
    _add_looking(verbs)
    _add_changing(verbs)
    _add_files(verbs)


def _verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    add_where(verb)
    return verb


def _add_looking(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    stats = _verb(verbs, "stats", "calls, tokens, cost and time of each model and rule")
    add_selection(stats)
    stats.set_defaults(run=cache_stats.run)
    listing = _verb(verbs, "list", "calls, the newest first")
    add_selection(listing)
    listing.add_argument(
        "--limit", type=positive, default=SHOWN_CALLS, metavar="N", help=f"the most calls (default: {SHOWN_CALLS})"
    )
    listing.set_defaults(run=cache_list.run)
    show = _verb(verbs, "show", "one call, whole: what was asked and what was answered")
    show.add_argument("key", help="its key, or as much of its beginning as no other call has")
    show.set_defaults(run=cache_show.run)
    for verb in (stats, listing, show):
        verb.add_argument("--json", action="store_true", help="print JSON")


def _add_changing(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    drop = _verb(verbs, "drop", "delete calls for ever; they are paid for again when they are asked again")
    add_selection(drop)
    drop.add_argument("--all", action="store_true", help="every call, where nothing else says which")
    sure = drop.add_mutually_exclusive_group()
    sure.add_argument("--dry-run", action="store_true", help="only count them")
    sure.add_argument("--yes", action="store_true", help="do not ask")
    drop.set_defaults(run=cache_change.run_drop)
    vacuum = _verb(verbs, "vacuum", "give the space of deleted calls back to the disk")
    vacuum.set_defaults(run=cache_change.run_vacuum)


def _add_files(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = _verb(verbs, "export", "write calls to a file: .jsonl or .parquet")
    export.add_argument("out", type=Path, help="the file to make; - writes JSON lines to stdout")
    add_selection(export)
    export.set_defaults(run=cache_files.run_export)
    bring = _verb(verbs, "import", "add the calls of an exported file; each is checked against its key")
    bring.add_argument("source", type=Path, metavar="FILE", help="a .jsonl or .parquet file")
    bring.set_defaults(run=cache_files.run_import)
