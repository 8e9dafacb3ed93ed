"""`dreamsmk card TARGET`: the card of anything that the workflow made."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dreamsmk.cards import Statement, build_card, card_markdown, check_card, read_sample, trace, view_of_targets
from dreamsmk.cli.target import add_target, open_home, record_of


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    about = "print the card of a target, as Markdown or JSON"
    parser = commands.add_parser("card", help=about, description="Prints the card of a target, as Markdown or JSON.")
    add_target(parser)
    parser.add_argument("--title", help="title of the card")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints the card."""
    home = open_home(given.home)
    records, record = record_of(given.target, home)
    samples = []
    if given.target.suffix == ".parquet":
        samples = [read_sample(given.target, rows=3, cell_characters=400, record=record)]
    roots = (str(Path.cwd()), str(home.path), str(Path.home()))
    card = build_card(
        view_of_targets(trace([given.target], records), [given.target]),
        Statement(title=given.title),
        samples,
        private_roots=roots,
    )
    check_card(card)
    text = json.dumps(card, ensure_ascii=False, indent=2) if given.json else card_markdown(card)
    print(text.rstrip("\n"))
    return 0
