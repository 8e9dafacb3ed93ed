"""The results of a rule do not change without its version.

A rule's version is part of every fingerprint: where results change and it does not, users keep what the old code made,
beside what the new one makes. `golden.json` holds, by rule, the version and the digests of what its task makes of a
small fixed input (`results.py`). `python -m tests.unit.tasks.test_versions` writes it anew, and refuses to where a
version must be raised first.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dreamsmk.smk.meta import load_meta, rule_names
from tests.unit.tasks.results import CASES, EXCLUDED, results_of

GOLDEN_PATH = Path(__file__).with_name("golden.json")
REGENERATE = "python -m tests.unit.tasks.test_versions"

Entry = dict[str, Any]


def golden() -> dict[str, Entry]:
    found: dict[str, Entry] = json.loads(GOLDEN_PATH.read_text(encoding="utf-8"))
    return found


def entry_of(rule: str, folder: Path) -> Entry:
    """Returns what stands in `golden.json` of a rule as it is now."""
    return {"version": load_meta(rule).version, "results": results_of(rule, folder)}


def fault(rule: str, kept: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str:
    """Returns what is to be done about a rule; nothing where its results are those that are kept."""
    if kept is None:
        return f"rule {rule} has no golden results: generate them with {REGENERATE}"
    if kept["version"] != now["version"]:
        return f"the version of rule {rule} is new: regenerate with {REGENERATE}"
    names = sorted(name for name in {*kept["results"], *now["results"]} if differs(name, kept, now))
    if not names:
        return ""
    return (
        f"results of rule {rule} changed ({', '.join(names)}): raise version in rules/{rule}/meta.yaml, "
        f"write a line under Cache compatibility in CHANGELOG.md, and regenerate with {REGENERATE}"
    )


def differs(name: str, kept: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return bool(kept["results"].get(name) != now["results"].get(name))


@pytest.mark.parametrize("rule", [rule for rule in rule_names() if rule not in EXCLUDED])
def test_the_results_of_a_rule_are_those_of_its_version(rule: str, tmp_path: Path) -> None:
    assert rule in CASES, f"rule {rule} has no golden results: write a case in tests/unit/tasks/results.py"
    found = fault(rule, golden().get(rule), entry_of(rule, tmp_path))
    assert not found, found


def test_there_are_golden_results_of_no_other_rule() -> None:
    assert sorted([*golden(), *EXCLUDED]) == rule_names()


def test_a_result_that_changed_asks_for_a_version() -> None:
    kept = {"version": "1", "results": {"plain": "a", "all": "b"}}
    assert fault("tweet", kept, kept) == ""
    said = fault("tweet", kept, {"version": "1", "results": {"plain": "a", "all": "c"}})
    assert said.startswith("results of rule tweet changed (all): raise version in rules/tweet/meta.yaml, write a line")
    assert said.endswith("regenerate with python -m tests.unit.tasks.test_versions")


def test_a_version_that_was_raised_asks_for_its_results() -> None:
    kept = {"version": "1", "results": {"plain": "a"}}
    for results in ({"plain": "a"}, {"plain": "b"}):
        assert fault("tweet", kept, {"version": "2", "results": results}).startswith("the version of rule tweet is new")


def test_a_rule_without_golden_results_asks_for_them() -> None:
    assert "has no golden results" in fault("tweet", None, {"version": "1", "results": {}})


def regenerate() -> int:
    """Writes `golden.json`; returns 1 and leaves it where results changed and the version did not."""
    kept = golden() if GOLDEN_PATH.exists() else {}
    made: dict[str, Entry] = {}
    for rule in CASES:
        with tempfile.TemporaryDirectory() as folder:
            made[rule] = entry_of(rule, Path(folder))
    faults = [fault(rule, kept[rule], entry) for rule, entry in made.items() if rule in kept]
    refused = [found for found in faults if found.startswith("results")]
    if refused:
        print("\n".join(refused), file=sys.stderr)
        return 1
    GOLDEN_PATH.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(regenerate())
