"""Rates: so many requests, or tokens, in a minute, over all processes that share a file.

Contract: uses are spread evenly: each has a stretch of time of its own, as long as its share of the period, and no two
stretches overlap, whichever process they belong to. So in any stretch of time there is at most what the rate allows,
and one or two uses more a process; there is no burst at the beginning and none after a pause. A process takes about a
second's worth of stretches at a time, so that others get their turn and the file is asked once a second. Time that
passes unused is lost. A use that took more, or less, than was said beforehand makes the next ones wait longer, or
shorter.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Protocol

from dreamsmk.calls.bounds.limits_file import LimitsFile

PERIOD_SECONDS = 60.0
LEASE_SECONDS = 1.0


class PaceBook(Protocol):
    """Where stretches of time are given out."""

    def take(self, name: str, seconds: float) -> float:
        """Returns when the next free stretch of that length begins, which is taken with it: seconds since 1970."""
        ...


class OwnBook:
    """Stretches of time of this process alone."""

    def __init__(self) -> None:
        self._free_at: dict[str, float] = {}

    def take(self, name: str, seconds: float) -> float:
        """Returns when the next free stretch begins; see `PaceBook`."""
        start = max(self._free_at.get(name, 0.0), time.time())
        self._free_at[name] = start + seconds
        return start


class SharedBook:
    """Stretches of time of all processes that share a file."""

    def __init__(self, file: LimitsFile) -> None:
        self._file = file

    def take(self, name: str, seconds: float) -> float:
        """Returns when the next free stretch begins; see `PaceBook`."""

        def take(connection: sqlite3.Connection) -> float:
            now = time.time()
            row = connection.execute("SELECT free_at, seen_at FROM paces WHERE name = ?", (name,)).fetchone()
            free_at, seen_at = row or (now, now)
            # A clock that was set back must not hold everybody up until it has caught up.
            start: float = max(free_at - max(seen_at - now, 0.0), now)
            connection.execute("INSERT OR REPLACE INTO paces VALUES (?, ?, ?)", (name, start + seconds, now))
            return start

        return self._file.changing(take)


class Pace:
    """One rate.

    Args:
        name: What is counted, for all who count it.
        limit: How much of it there may be in a period.
        period_seconds: The period.
        book: Where stretches of time are given out.
    """

    def __init__(self, name: str, limit: float, book: PaceBook, *, period_seconds: float = PERIOD_SECONDS) -> None:
        self._name = name
        self._seconds_each = period_seconds / limit
        self._lease_seconds = min(LEASE_SECONDS, period_seconds / 60)
        self._book = book
        # The stretch that is this process's, from what is left of it.
        self._from = 0.0
        self._until = 0.0
        self._debt = 0.0

    def take(self, amount: float, wanted: float) -> float:
        """Takes the time for one use.

        Args:
            amount: How much is used.
            wanted: How much is wanted in all just now, this use included.

        Returns:
            When it may be used: seconds since 1970.
        """
        amount, self._debt = max(amount + self._debt, 0.0), min(amount + self._debt, 0.0)
        seconds = amount * self._seconds_each
        self._from = max(self._from, time.time())
        left = max(self._until - self._from, 0.0)
        if seconds <= left:
            start, self._from = self._from, self._from + seconds
            return start
        lacking = seconds - left
        lease = max(lacking, min(self._lease_seconds, wanted * self._seconds_each - left))
        start = self._book.take(self._name, lease)
        is_next = left > 0 and start <= self._until
        first = self._from if is_next else start
        self._from, self._until = start + lacking, start + lease
        return first

    def correct(self, expected: float, used: float) -> None:
        """Says what a use really took."""
        self._debt += used - expected
