"""`dreamsmk cache stats`: what the call cache holds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dreamsmk.calls import ModelCalls, SqliteCallCache
from dreamsmk.cli.table import print_table
from dreamsmk.cli.target import add_home, open_home
from dreamsmk.errors import SettingsError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    about = "look into the call cache"
    parser = commands.add_parser("cache", help=about, description=f"{about.capitalize()}.")
    verbs = parser.add_subparsers(title="verbs", dest="verb", required=True, metavar="stats")
    about = "calls and tokens of each model"
    stats = verbs.add_parser("stats", help=about, description=f"Shows {about}.")
    where = stats.add_mutually_exclusive_group()
    where.add_argument("--file", type=Path, help="the call cache, where the config's `cache:` names another")
    add_home(where)
    stats.add_argument("--json", action="store_true", help="print JSON")
    stats.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints one line a model."""
    path: Path = given.file or open_home(given.home).calls
    if given.file and not path.is_file():
        raise SettingsError("there is no such call cache", where=str(path))
    rows: Sequence[ModelCalls] = []
    if path.exists():
        with SqliteCallCache(path) as cache:
            rows = cache.stats()
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        print_table([_line(row) for row in rows])
    else:
        print(f"{path} holds no calls yet", file=sys.stderr)
    return 0


def _line(row: ModelCalls) -> dict[str, object]:
    return {
        "provider": row.provider,
        "model": row.model,
        "calls": row.calls,
        "tokens in": row.usage.input_tokens,
        "tokens out": row.usage.output_tokens,
        "first": _minute(row.first_at),
        "last": _minute(row.last_at),
    }


def _minute(moment: str) -> str:
    """Returns a time in UTC, ISO 8601, as people read it: `2026-11-20 22:07 UTC`."""
    return f"{moment[:10]} {moment[11:16]} UTC"
