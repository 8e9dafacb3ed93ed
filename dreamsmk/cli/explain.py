"""`dreamsmk explain TARGET`: what made it, and what its fingerprint covers."""

from __future__ import annotations

import argparse
import json

from dreamsmk.cards import explain_json, explain_text, trace
from dreamsmk.cli.target import add_target, open_home, record_of


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    about = "say what made a target, from what"
    parser = commands.add_parser("explain", help=about, description="Says what made a target, from what.")
    add_target(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints the record, the parts of the fingerprint and the ancestors."""
    records, _ = record_of(given.target, open_home(given.home))
    traced = trace([given.target], records)
    print(json.dumps(explain_json(traced), ensure_ascii=False, indent=2) if given.json else explain_text(traced))
    return 0
