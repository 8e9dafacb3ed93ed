"""The store among processes that are killed, that want the same thing, and that collect."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from dreamsmk.store import locked, try_locked
from tests.unit.store.shelf import Shelf

ROOT = Path(__file__).parents[3]


def together(*commands: tuple[str, ...]) -> list[dict[str, Any]]:
    """Runs several processes of `churn` at once; returns what each says it did."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.unit.store.churn", *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    said = [process.communicate(timeout=100) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(error for _, error in said)
    return [json.loads(output) for output, _ in said]


def test_a_killed_job_leaves_a_whole_entry_or_none(tmp_path: Path) -> None:
    [counts] = together(("kill", str(tmp_path / "home"), "10"))
    assert counts["kills"] >= 8, "even a busy machine gets that far"
    assert counts["whole"] + counts["none"] == counts["kills"]


def test_jobs_of_one_fingerprint_take_turns(tmp_path: Path) -> None:
    home = tmp_path / "home"
    counts = together(*(("job", str(home), name, "60") for name in ("a", "b", "c")))
    assert sum(each["made"] for each in counts) == 60
    assert len(list(tmp_path.glob("[abc]/*/file"))) == len(list(tmp_path.glob("[abc]/*/model/weights"))) == 180


def test_readers_and_collectors_at_once_never_break_a_build(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    Shelf.at(Path(home)).home.path.mkdir()
    counts = together(*[("read", home, "4")] * 2, *[("collect", home, "4")] * 2)
    readers, collectors = counts[:2], counts[2:]
    assert sum(each["hits"] for each in readers) > 0
    assert sum(each["misses"] for each in readers) > 0
    assert sum(each.get("entry", 0) for each in collectors) > 0


def test_a_lock_whose_file_was_deleted_still_keeps_others_out(tmp_path: Path) -> None:
    """The collector deletes lock files while others wait for them."""
    path = tmp_path / "lock"
    inside: list[int] = []
    most: list[int] = []

    def turn(number: int) -> None:
        for _ in range(50):
            with locked(path):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)
                if number % 2:
                    path.unlink()

    threads = [threading.Thread(target=turn, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 300
    assert max(most) == 1


def test_a_held_lock_is_not_waited_for_where_that_is_not_wanted(tmp_path: Path) -> None:
    with try_locked(tmp_path / "lock") as first, try_locked(tmp_path / "lock") as second:
        assert (first, second) == (True, False)
    with try_locked(tmp_path / "lock") as again:
        assert again
