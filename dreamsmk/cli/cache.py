"""`dreamsmk cache stats`: what the call cache holds."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from dreamsmk.calls import ModelCalls, SqliteCallCache
from dreamsmk.cli.table import print_table
from dreamsmk.cli.target import add_home, open_home


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser("cache", help="look into the call cache")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    stats = verbs.add_parser("stats", help="calls and tokens of each model")
    add_home(stats)
    stats.add_argument("--json", action="store_true", help="print JSON")
    stats.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints one line a model."""
    home = open_home(given.home)
    rows: list[ModelCalls] = []
    if home.calls.exists():
        with SqliteCallCache(home.calls) as cache:
            rows = list(cache.stats())
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        print_table([asdict(row) for row in rows])
    else:
        print("no calls yet")
    return 0
