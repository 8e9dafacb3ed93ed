"""Jobs, readers and collectors in processes of their own, for the tests to kill and to set against each other.

    python churn.py kill HOME SECONDS         kills a job at random moments, and checks the store after each
    python churn.py job HOME NAME COUNT       takes turns with other jobs of the same fingerprint
    python churn.py read HOME SECONDS         finds and puts back while others collect
    python churn.py collect HOME SECONDS      collects everything, over and over

Prints what it did as JSON, and ends with an error where the store was wrong.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from dreamsmk.errors import StoreError
from dreamsmk.store.collect import Policy, collect
from tests.unit.store.shelf import LARGE, Shelf, fingerprint_of, tree_of

CONTENT = {"file": b"f" * 5000, "large": b"L" * LARGE, "model": {f"{i}/weights": bytes([i]) * 3000 for i in range(12)}}
TREE = dict(sorted(CONTENT["model"].items()))
F = fingerprint_of("churn")


def targets_at(folder: Path) -> dict[str, Path]:
    return {role: folder / role for role in CONTENT}


def check_targets(targets: dict[str, Path]) -> None:
    assert targets["file"].read_bytes() == CONTENT["file"]
    assert targets["large"].read_bytes() == CONTENT["large"]
    assert tree_of(targets["model"]) == TREE


def work_for_ever(home: Path) -> None:
    shelf = Shelf.at(home)
    while True:
        with shelf.store.lock(F):
            if random.random() < 0.5:
                shelf.store.forget(F)
            action = shelf.store.find(F)
            if action is None:
                shutil.rmtree(shelf.home.scratch(F), ignore_errors=True)
                made = shelf.make(F, CONTENT)
                action = shelf.store.keep(F, made, {"file": "file", "large": "file", "model": "folder"})
            shelf.store.put_back(action, targets_at(home.parent / "out"))


def kill(home: Path, seconds: float) -> dict[str, int]:
    """Forks, so that a thousand jobs need not load Python."""
    random.seed(0)
    counts = {"kills": 0, "whole": 0, "none": 0}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        child = os.fork()
        if child == 0:
            random.seed(os.getpid())
            work_for_ever(home)
        time.sleep(random.uniform(0.002, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        counts["kills"] += 1
        counts["whole" if check(home) else "none"] += 1
    return counts


def check(home: Path) -> bool:
    """Checks that there is a whole entry or none, and that a retry works either way."""
    shelf = Shelf.at(home)
    for target in targets_at(home.parent / "out").values():
        if target.exists() and target.is_file():
            assert target.stat().st_size in (5000, LARGE), "a part of a file stands at a target"
        elif target.exists():
            assert tree_of(target) == TREE, "a part of a folder stands at a target"
    with shelf.store.try_lock(F) as is_held:
        assert is_held, "the lock outlived its process"
        action = shelf.store.find(F)
        was_there = action is not None
        if action is None:
            shutil.rmtree(shelf.home.scratch(F), ignore_errors=True)
            made = shelf.make(F, CONTENT)
            action = shelf.store.keep(F, made, {"file": "file", "large": "file", "model": "folder"})
        targets = targets_at(home.parent / "retry")
        shelf.store.put_back(action, targets)
        check_targets(targets)
    shelf.memo.close()
    return was_there


def job(home: Path, name: str, count: int) -> dict[str, int]:
    shelf = Shelf.at(home)
    made_count = 0
    for turn in range(count):
        fingerprint = fingerprint_of(f"turn {turn}")
        with shelf.store.lock(fingerprint):
            action = shelf.store.find(fingerprint)
            if action is None:
                made_count += 1
                scratch = shelf.home.scratch(fingerprint)
                assert not scratch.exists(), "two jobs work at the same thing"
                made = shelf.make(fingerprint, {"file": b"f", "model": {"weights": b"w"}})
                time.sleep(0.001)
                action = shelf.store.keep(fingerprint, made, {"file": "file", "model": "folder"})
                shutil.rmtree(scratch)
            shelf.store.put_back(action, {role: home.parent / name / str(turn) / role for role in action.outputs})
    return {"made": made_count}


def read(home: Path, seconds: float) -> dict[str, int]:
    """Reads with the lock held, as jobs do, and without, where a collected output must be an error and no more."""
    shelf = Shelf.at(home)
    counts = {"hits": 0, "misses": 0, "collected meanwhile": 0, "elsewhere": 0}
    deadline = time.monotonic() + seconds
    targets = targets_at(home.parent / str(os.getpid()))
    while time.monotonic() < deadline:
        with shelf.store.try_lock(F) as is_held:
            if not is_held:
                counts["elsewhere"] += 1
                time.sleep(0.002)
            elif action := shelf.store.find(F):
                shelf.store.put_back(action, targets)
                check_targets(targets)
                counts["hits"] += 1
            else:
                counts["misses"] += 1
                shutil.rmtree(shelf.home.scratch(F), ignore_errors=True)
                made = shelf.make(F, CONTENT)
                shelf.store.keep(F, made, {"file": "file", "large": "file", "model": "folder"})
        if action := shelf.store.find(F):
            try:
                shelf.store.put_back(action, targets)
            except StoreError:
                counts["collected meanwhile"] += 1
            else:
                check_targets(targets)
    return counts


def collect_all(home: Path, seconds: float) -> dict[str, int]:
    shelf = Shelf.at(home)
    policy = Policy(older_than_seconds=0, grace_seconds=0)
    counts: dict[str, int] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for each in collect(shelf.home, shelf.memo, policy).collected:
            counts[each.kind] = counts.get(each.kind, 0) + 1
        time.sleep(random.uniform(0.05, 0.3))
    return counts


def main() -> None:
    command, home, *rest = sys.argv[1:]
    path = Path(home)
    if command == "kill":
        result = kill(path, float(rest[0]))
    elif command == "job":
        result = job(path, rest[0], int(rest[1]))
    elif command == "read":
        result = read(path, float(rest[0]))
    else:
        result = collect_all(path, float(rest[0]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
