"""Lines of progress: what they say, how often they come, and where they go."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from dreamsmk.smk.progress import LOG_SECONDS, TERMINAL_SECONDS, JobProgress, duration


class Terminal(io.StringIO):
    """A stream that says that a person looks at it."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_says_how_much_is_done_how_fast_what_is_left_and_the_facts() -> None:
    terminal, clock = Terminal(), Clock()
    progress = JobProgress("tweets", terminal, None, clock=clock)
    clock.now += 10
    progress.update(1000, 4000, hits=1200, loss=1.23456, model="gpt")
    assert terminal.getvalue() == "tweets: 1,000 of 4,000, 100.0/s, 30 s left, hits 1,200, loss 1.235, model gpt\n"


def test_without_a_total_nothing_is_said_of_what_is_left() -> None:
    terminal, clock = Terminal(), Clock()
    progress = JobProgress("tweets", terminal, None, clock=clock)
    clock.now += 10
    progress.update(5)
    assert terminal.getvalue() == "tweets: 5, 0.5/s\n"


def test_a_rate_of_zero_promises_no_end() -> None:
    terminal, clock = Terminal(), Clock()
    progress = JobProgress("tweets", terminal, None, clock=clock)
    clock.now += 10
    progress.update(0, 8)
    assert terminal.getvalue() == "tweets: 0 of 8, 0.0/s\n"


def test_a_terminal_gets_a_line_every_two_seconds_and_a_log_every_ten() -> None:
    terminal, log, clock = Terminal(), io.StringIO(), Clock()
    progress = JobProgress("tweets", terminal, log, clock=clock)
    for step in range(1, 161):
        clock.now += 0.25
        progress.update(step, 160)
    assert len(terminal.getvalue().splitlines()) == 40 / TERMINAL_SECONDS
    assert len(log.getvalue().splitlines()) == 40 / LOG_SECONDS


def test_a_short_job_says_nothing_but_its_note() -> None:
    terminal, log, clock = Terminal(), io.StringIO(), Clock()
    progress = JobProgress("tweets", terminal, log, clock=clock)
    clock.now += 1
    progress.update(5, 5)
    progress.note("done")
    assert terminal.getvalue() == "tweets: done\n"
    assert log.getvalue() == "done\n"


def test_what_is_no_terminal_gets_notes_alone() -> None:
    stream, log, clock = io.StringIO(), io.StringIO(), Clock()
    progress = JobProgress("tweets", stream, log, clock=clock)
    for step in range(1, 31):
        clock.now += 1
        progress.update(step)
    progress.note("done")
    assert stream.getvalue() == "tweets: done\n"
    assert len(log.getvalue().splitlines()) == 4


def test_a_closed_log_is_no_error() -> None:
    log = io.StringIO()
    log.close()
    JobProgress("tweets", io.StringIO(), log).note("done")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than 1 s"),
        (0.99, "less than 1 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


NOISY = """
import os, sys
from dreamsmk.smk.progress import split_output
terminal, log = split_output(sys.argv[1])
print("from print")
os.write(1, b"from a library\\n")
os.write(2, b"a complaint\\n")
os.system("echo from a child")
print("for the person", file=terminal)
"""


def test_whatever_a_job_prints_goes_to_its_log_and_the_terminal_gets_only_what_is_meant_for_it(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "job.log"
    done = subprocess.run(
        [sys.executable, "-c", NOISY, str(log)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == ""
    assert done.stderr == "for the person\n"
    lines = {"from print", "from a library", "a complaint", "from a child"}
    assert set(log.read_text().splitlines()) == lines
