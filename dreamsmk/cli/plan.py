"""`dreamsmk plan [TARGETS]`: what a run would do, and what it would cost, before anything is paid."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from dreamsmk.cli.paint import bold, dim
from dreamsmk.cli.plan_text import footnotes, plan_text
from dreamsmk.smk.graph import find_snakefile, open_graph
from dreamsmk.smk.planning import plan_jobs

NOTHING = "nothing to do"
_TRIGGERS = ("mtime", "params", "input", "software-env", "code")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser("plan", help="say what a run would do, and what it would cost")
    parser.description = (
        "Lists the jobs that `snakemake` would run now, each with why, its rows, how many of its model calls are in "
        "the cache and how many will be made, tokens and money. Nothing is run. On a line without ~ the number of "
        "calls is exact; tokens and money are estimates everywhere."
    )
    parser.add_argument("targets", nargs="*", help="files, folders or rules; the workflow's default target if absent")
    parser.add_argument("--snakefile", "-s", type=Path, help="the workflow, where it is not where Snakemake looks")
    parser.add_argument("--directory", "-d", type=Path, help="the folder to work in")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="as Snakemake's")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as Snakemake's")
    parser.add_argument("--forcerun", "-R", nargs="+", default=[], metavar="TARGET", help="as Snakemake's")
    parser.add_argument("--rerun-triggers", nargs="+", choices=_TRIGGERS, help="as Snakemake's")
    parser.add_argument("--all", action="store_true", help="one line a job, however many there are")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints the plan."""
    # as Snakemake does it, --directory is for what the workflow names, not for the workflow itself
    snakefile = given.snakefile or (find_snakefile() if given.directory else None)
    with open_graph(
        given.targets,
        snakefile=snakefile and snakefile.absolute(),
        directory=given.directory,
        configfiles=[path.absolute() for path in given.configfile],
        config=given.config,
        rerun_triggers=given.rerun_triggers,
        forcerun=given.forcerun,
    ) as graph:
        plan = plan_jobs(graph)
    if given.json:
        print(json.dumps(plan.to_json(), ensure_ascii=False, indent=2))
    elif not plan.jobs:
        print(NOTHING)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        head, *lines, total = plan_text(plan, width=width, is_whole=given.all)
        print("\n".join([bold(head), *lines, bold(total)]), flush=True)
    for note in plan.notes if given.json or not plan.jobs else footnotes(plan):
        print(dim(note), file=sys.stderr)
    return 0
