"""`dreamsmk explain TARGET`: what made it, from what, and whether and why it would be made anew now."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any

from dreamsmk.cards import Outlook, Trace, explain_json, explain_text, outlook_json, outlook_text, trace
from dreamsmk.cli.paint import painted
from dreamsmk.cli.target import LastMade, add_target, nearest_path, open_home
from dreamsmk.cli.why_not_cached import why_not_cached
from dreamsmk.errors import SettingsError, StoreError
from dreamsmk.smk.asked import asked_call
from dreamsmk.smk.graph import Graph, Job, find_snakefile, open_graph
from dreamsmk.smk.outlook import look_out
from dreamsmk.store import Home, Records, open_records

ABOUT = """\
Says what made a target and from what; then, in the workflow's folder, whether
`snakemake` would make it anew now, and why: the difference between what made
it and what would make it today. It runs nothing.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "explain",
        help="say what made a target, and why it would run again or not",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(parser)
    parser.add_argument("--snakefile", type=Path, help="the workflow (default: where Snakemake looks for one)")
    parser.add_argument(
        "--why-not-cached",
        type=int,
        metavar="N",
        help="for call N (from 0) of a prompting target: what it asks, and if the call cache does not have it, the "
        "nearest stored call and what differs",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints the record, the parts of the fingerprint, the ancestors and the outlook."""
    with contextlib.ExitStack() as stack:
        graph, unknown = _graph(given, stack)
        job = graph.job_for(given.target) if graph is not None else None
        home = _home(given, graph, job)
        if given.why_not_cached is not None:
            return _explain_call(given, graph, job, unknown)
        outlook: Outlook | None = None
        before: list[Outlook] = []
        if graph is not None and job is not None:
            outlook, before = look_out(graph, job, home, given.target)
        traced = _traced(given.target, open_records(home.path), outlook)
        if traced is None and outlook is None:
            raise _nothing_known(given.target)
    entry: dict[str, Any] = {"target": str(given.target), "record": None}  # Any: JSON
    lines = [f"{given.target}\n  made by      nothing yet, as far as is known here"]
    if traced is not None:
        entry, lines = explain_json(traced)[0], [explain_text(traced)]
    if outlook is not None:
        entry |= {"now": outlook_json(outlook), "before": [outlook_json(earlier) for earlier in before]}
        lines.append(outlook_text(outlook, before))
    else:
        entry |= {"now": None, "why_not_known": unknown}
        lines.append(f"\n  now          not known: {unknown}")
    print(json.dumps([entry], ensure_ascii=False, indent=2) if given.json else painted("\n".join(lines)))
    return 0


def _explain_call(given: argparse.Namespace, graph: Graph | None, job: Job | None, unknown: str) -> int:
    binding = graph.binding(job) if graph is not None and job is not None else None
    if graph is None or job is None or binding is None:
        raise SettingsError("what a job asks is known from its workflow alone", where=str(given.target), hint=unknown)
    calls = Home.of(given.home).calls if given.home else binding.calls
    text, entry = why_not_cached(given.target, asked_call(graph, job, given.why_not_cached), calls)
    print(json.dumps(entry, ensure_ascii=False, indent=2) if given.json else painted(text))
    return 0


def _graph(given: argparse.Namespace, stack: contextlib.ExitStack) -> tuple[Graph | None, str]:
    """Returns the workflow's graph; or None, and why there is none."""
    if given.snakefile is None and find_snakefile() is None:
        return None, "there is no workflow in this folder, only the record of what was made"
    try:
        return stack.enter_context(open_graph([given.target], snakefile=given.snakefile)), ""
    except SettingsError as exc:
        return None, " ".join(part for part in (exc.what, exc.where and f"({exc.where})") if part)


def _home(given: argparse.Namespace, graph: Graph | None, job: Job | None) -> Home:
    binding = graph.binding(job) if graph is not None and job is not None else None
    if given.home is None and binding is not None:
        return binding.home
    return open_home(given.home)


def _traced(target: Path, records: Records, outlook: Outlook | None) -> Trace | None:
    would_be = records.load(outlook.fingerprint) if outlook is not None and outlook.fingerprint else None
    known = LastMade(records, would_be)
    return trace([target], known) if known.producer(target) is not None else None


def _nothing_known(target: Path) -> Exception:
    if target.exists():
        hint = "it is a source, or was made without dreamsmk"
        return StoreError("no job is known to have made this", where=str(target), hint=hint)
    return SettingsError(f"there is no {str(target)!r}", hint=nearest_path(target))
