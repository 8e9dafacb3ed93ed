"""Reads the command line, hands it to the one command, and turns the one error that is ours into a message.

Contract: stdout is data, stderr is talk. Exit status 0: done; 1: the work failed; 2: the request was wrong.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

import dreamsmk
from dreamsmk.cli import batches, bundle, cache, card, diff, explain, init, plan, rules, store
from dreamsmk.errors import DreamsmkError, SettingsError, nearest

COMMANDS = (init, rules, plan, explain, diff, card, cache, batches, bundle, store)

BEGIN = """\
A first workflow, which runs offline and without a key:
  dreamsmk init my-paper
  cd my-paper
  snakemake --cores 2
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="dreamsmk",
        description="Snakemake for LLM workflows.",
        epilog=BEGIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dreamsmk {dreamsmk.__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a terminal that knows only ASCII gets \u2026 for what it cannot show, rather than a trace
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if words and not words[0].startswith("-") and words[0] not in commands.choices:
            raise SettingsError(f"there is no command {words[0]!r}", hint=nearest(words[0], commands.choices))
        given, unknown = parser.parse_known_args(words)
        if unknown:
            # said by the command, whose usage helps, rather than by the parser of all of them
            commands.choices.get(given.command, parser).error(f"unrecognized arguments: {' '.join(unknown)}")
        if given.command is None:
            parser.print_help(sys.stderr)
            return 2
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
    except KeyboardInterrupt:
        return 130
