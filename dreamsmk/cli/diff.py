"""`dreamsmk diff A B`: how far two targets, or two workflows, are the same, and where they first differ."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.cards import Comparison, Leaf, Level, Side, compare, leaf_lines, trace, weakest
from dreamsmk.cli.paint import painted
from dreamsmk.cli.target import LastMade, add_home, nearest_path
from dreamsmk.errors import DreamsmkError, SettingsError
from dreamsmk.hashing import DigestMemo, digest_file, digest_tree
from dreamsmk.store import Home, Records
from dreamsmk.store.placements import open_placements

EXIT_STATUS: dict[Level, int] = {
    "same bytes": 0,
    "same rows": 10,
    "same inputs": 11,
    "same plan": 12,
    "different plan": 1,
}

ABOUT = """\
Says how far two targets are the same, and prints the first difference, from
the sources on: `tweets.params.instruction: 'x' -> 'y'`. Given two folders of
workflows, it compares every target that both of them have, by its path.

exit status, from the strongest level on; that of two workflows is that of
their weakest pair of targets:
  0   same bytes      the files are the same
  10  same rows       the tables hold the same rows, in the same order
  11  same inputs     the same recipe and sources; the outputs differ
  12  same plan       the same recipe; the sources differ
  1   different plan  a task, parameter, model or function differs, or a target
                      is missing on one side
  2   the comparison could not be made
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A target or a workflow folder, and the state that knows it."""

    path: Path
    home: Home
    memo: DigestMemo

    @property
    def records(self) -> Records:
        """The records in the home."""
        return Records(self.home, self.memo)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "diff",
        help="compare two targets or two workflows",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", type=Path, help="a target, or the folder of a workflow")
    parser.add_argument("b", type=Path, help="another one")
    parser.add_argument("--all", action="store_true", help="print all differences, not the first alone")
    parser.add_argument("--json", action="store_true", help="print JSON, all differences included")
    add_home(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Compares, prints, and returns the status of the level.

    Raises:
        SettingsError: The comparison could not be made, for whatever reason: status 1 says that the plans differ.
    """
    try:
        return _run(given)
    except DreamsmkError as exc:
        raise SettingsError(exc.what, where=exc.where, hint=exc.hint) from exc


def _run(given: argparse.Namespace) -> int:
    one, other = _place(given.a, given.home), _place(given.b, given.home)
    if _is_workflow(one) != _is_workflow(other):
        target, folder = (other, one) if _is_workflow(one) else (one, other)
        raise SettingsError(
            f"{str(folder.path)!r} is the folder of a workflow, and {str(target.path)!r} is not",
            hint="give two targets, or the folders of two workflows",
        )
    pairs = _pairs_of_workflows(one, other) if _is_workflow(one) else {"": (one, other)}
    found = {name: compare(*_sides(a, b)) for name, (a, b) in pairs.items() if a is not None and b is not None}
    alone = [[name for name, pair in pairs.items() if pair[side] is None] for side in (1, 0)]
    levels: list[Level] = [comparison.level for comparison in found.values()]
    level = weakest([*levels, "different plan"] if any(alone) else levels)
    if given.json:
        print(json.dumps(_json(given, level, found, alone), ensure_ascii=False, indent=2))
    else:
        print(painted("\n".join(_text(given, level, found, alone))))
    return EXIT_STATUS[level]


def _place(path: Path, configured: str | None) -> Place:
    """Returns what is compared with its home: as configured, else the nearest one above it."""
    absolute = path.absolute()
    above = [folder / ".dreamsmk" for folder in (absolute, *absolute.parents)]
    nearest_home = next((str(folder) for folder in above if folder.is_dir()), None)
    home = Home.of(configured or os.environ.get("DREAMSMK_HOME") or nearest_home)
    if not path.exists() and Records(home, DigestMemo(home.digests)).last_at(path) is None:
        raise SettingsError(f"there is no {str(path)!r}", hint=nearest_path(path))
    return Place(path, home, DigestMemo(home.digests))


def _is_workflow(place: Place) -> bool:
    is_target = place.records.last_at(place.path) is not None
    return place.path.is_dir() and not is_target and any(True for _ in _targets(place))


def _targets(place: Place) -> Iterator[str]:
    """Yields the targets of a workflow's folder that are there, by their path in it."""
    root = place.path.absolute()
    for placed in open_placements(place.home).all():
        # a folder that was moved since knows its targets by their relative paths alone
        for known in (placed.at, placed.path):
            path = root / known
            if path.is_relative_to(root) and path.exists():
                yield path.relative_to(root).as_posix()
                break


def _pairs_of_workflows(one: Place, other: Place) -> dict[str, tuple[Place | None, Place | None]]:
    ours, theirs = set(_targets(one)), set(_targets(other))
    return {
        name: (
            Place(one.path / name, one.home, one.memo) if name in ours else None,
            Place(other.path / name, other.home, other.memo) if name in theirs else None,
        )
        for name in sorted(ours | theirs)
    }


def _sides(one: Place, other: Place) -> tuple[Side, Side]:
    both_there = one.path.exists() and other.path.exists()
    return _side(one, is_there=both_there), _side(other, is_there=both_there)


def _side(place: Place, *, is_there: bool) -> Side:
    """Returns a target with its digests: fast ones where both are there, else those that are recorded."""
    known = LastMade(place.records)
    record = known.producer(place.path)
    traced = trace([place.path], known) if record is not None else None
    output = traced.targets[0].output if traced is not None else {}
    if is_there:
        content = place.memo.of(place.path, "tree" if place.path.is_dir() else "bytes")
    elif place.path.exists():
        content = digest_tree(place.path, "sha256") if place.path.is_dir() else digest_file(place.path, "sha256")
    else:
        content = str(output.get("sha256", ""))
    rows = place.memo.of(place.path) if place.path.exists() else str(output.get("digest", ""))
    return Side(str(place.path), content, rows, traced)


# Any: JSON.
def _json(
    given: argparse.Namespace, level: Level, found: dict[str, Comparison], alone: list[list[str]]
) -> dict[str, Any]:
    return {
        "a": str(given.a),
        "b": str(given.b),
        "level": level,
        "exit_status": EXIT_STATUS[level],
        "targets": [
            {
                "path": name or str(given.a),
                "level": comparison.level,
                "differences": [leaf.to_json() for leaf in comparison.leaves],
                **({"note": comparison.note} if comparison.note else {}),
            }
            for name, comparison in found.items()
        ],
        "only_in_a": alone[0],
        "only_in_b": alone[1],
    }


def _text(given: argparse.Namespace, level: Level, found: dict[str, Comparison], alone: list[list[str]]) -> list[str]:
    lines = []
    width = max(len(comparison.level) for comparison in found.values()) if found else 0
    for name, comparison in found.items():
        lines.append(f"{comparison.level.ljust(width)}  {name}" if name else comparison.level)
        if comparison.note:
            lines.append(f"  {comparison.note}")
    for names, where in zip(alone, (given.a, given.b), strict=True):
        lines += [f"{'different plan'.ljust(width)}  {name}   only in {where}" for name in names]
    leaves = _distinct(found)
    shown = leaves if given.all else leaves[:1]
    if shown and level == "same bytes":
        lines.append("made differently all the same:")
    for leaf in shown:
        lines += [f"  {line}" for line in leaf_lines(leaf)]
    if len(leaves) > len(shown):
        lines.append(f"  and {len(leaves) - len(shown)} more (--all shows them)")
    return lines


def _distinct(found: dict[str, Comparison]) -> list[Leaf]:
    """Returns the differences of all pairs once each, those that decide a level first."""
    decisive = [comparison.first for comparison in found.values() if comparison.first is not None]
    leaves = {leaf.difference.name: leaf for leaf in decisive}
    for comparison in found.values():
        for leaf in comparison.leaves:
            leaves.setdefault(leaf.difference.name, leaf)
    return list(leaves.values())
