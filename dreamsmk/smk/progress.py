"""How far a job is: lines on a terminal, and in the job's log.

Contract: stdout stays clean; a terminal gets a line at most every two seconds, and a log file at most every ten, whole
lines always, since several jobs share one terminal. Where stderr is no terminal only the log is written, and the last
line of the job.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

TERMINAL_SECONDS = 2.0
LOG_SECONDS = 10.0


class JobProgress:
    """The progress of one job.

    Args:
        label: What the lines begin with; the rule's name.
        terminal: Where a person looks.
        log: The job's log file.
        clock: Tells the seconds that have passed since some moment.
    """

    def __init__(
        self, label: str, terminal: TextIO, log: TextIO | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._label = label
        self._terminal = terminal
        self._log = log
        self._is_terminal = terminal.isatty()
        self._clock = clock
        self._started = clock()
        self._next_terminal = self._started + TERMINAL_SECONDS
        self._next_log = self._started + LOG_SECONDS

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        """Says that `done` of `total` units are done."""
        now = self._clock()
        if now < min(self._next_terminal, self._next_log):
            return
        line = self._line(done, total, facts, now - self._started)
        if now >= self._next_terminal:
            self._next_terminal = now + TERMINAL_SECONDS
            if self._is_terminal:
                self._write(self._terminal, line)
        if now >= self._next_log:
            self._next_log = now + LOG_SECONDS
            self._write(self._log, line)

    def note(self, text: str) -> None:
        """Says one line, on the terminal and in the log."""
        self._write(self._terminal, f"{self._label}: {text}")
        self._write(self._log, text)

    def _line(self, done: int, total: int | None, facts: dict[str, str | int | float], elapsed: float) -> str:
        rate = done / elapsed if elapsed > 0 else 0.0
        parts = [f"{done:,} of {total:,}" if total else f"{done:,}", f"{rate:,.1f}/s"]
        if total and rate > 0:
            parts.append(f"{duration((total - done) / rate)} left")
        parts.extend(f"{name} {_shown(value)}" for name, value in facts.items())
        return f"{self._label}: " + ", ".join(parts)

    @staticmethod
    def _write(stream: TextIO | None, line: str) -> None:
        if stream is not None and not stream.closed:
            print(line, file=stream, flush=True)


def duration(seconds: float) -> str:
    """Returns a duration as people say it: `less than 1 s`, `45 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return "less than 1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def split_output(log_path: str | None) -> tuple[TextIO, TextIO | None]:
    """Sends all that the job's libraries print to the log, and keeps the terminal for the job itself.

    The descriptors themselves are redirected, so that what compiled libraries print is caught too.

    Returns:
        The terminal (stderr as it was) and the log; the log is None where the rule has none.
    """
    if log_path is None:
        return sys.stderr, None
    terminal = os.fdopen(os.dup(2), "w", buffering=1)
    os.makedirs(os.path.dirname(log_path) or ".", exist_ok=True)
    log = open(log_path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - it stays open as long as the job
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log.fileno(), stream.fileno())
    return terminal, log


def _shown(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else value
