"""Reads the command line, hands it to the one command, and turns the one error that is ours into a message.

Contract: stdout is data, stderr is talk. Exit status 0: done; 1: the work failed; 2: the request was wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import dreamsmk
from dreamsmk.cli import cache, card, explain, init, rules
from dreamsmk.errors import DreamsmkError, SettingsError

COMMANDS = (init, rules, explain, card, cache)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    parser = argparse.ArgumentParser(prog="dreamsmk", description="Snakemake for LLM workflows.")
    parser.add_argument("--version", action="version", version=f"dreamsmk {dreamsmk.__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    given = parser.parse_args(arguments)
    try:
        status: int = given.run(given)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # the reader (head, less) has seen enough; Python would complain again when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except DreamsmkError as exc:
        print(f"dreamsmk: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, SettingsError) else 1
