"""Budgets: how much may be spent, and how much of it is.

Contract: what a call may cost is reserved before it is sent, and what it did cost takes the place of that afterwards;
a reservation that would pass the budget is refused. A budget of a workflow counts the calls of all jobs that share a
file, over the life of that file. A process takes a little more than it needs at a time, at most a sixteenth of what is
left, and gives the rest back in the end. Of a process that was killed all that it had taken counts as spent: the
service may have been paid for what was in flight.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dreamsmk.calls.bounds.limits_file import LimitsFile
from dreamsmk.calls.caching.claim_owner import has_ended, new_owner

# So many calls like this one are taken at a time, if they are but a small part of what is left.
CALLS_AHEAD = 16
SHARE_AHEAD = 1 / 16
# All that ended processes have spent stands under this name.
ENDED = ""

Scope = Literal["job", "workflow"]


class Amount(NamedTuple):
    """Money and tokens.

    Attributes:
        usd: US dollars; 0 where no budget speaks of them.
    """

    usd: float = 0.0
    tokens: float = 0.0

    def plus(self, other: Amount, times: float = 1.0) -> Amount:
        """Returns the sum with so many times another amount."""
        return Amount(self.usd + times * other.usd, self.tokens + times * other.tokens)


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent.

    Attributes:
        usd: US dollars; None for no limit.
        tokens: Tokens, in and out; None for no limit.
    """

    usd: float | None = None
    tokens: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, float] | None) -> Budget | None:
        """Returns the budget of a config or a rule; None where it sets none."""
        return cls(given.get("usd"), given.get("tokens")) if given else None

    def allows(self, amount: Amount) -> bool:
        """Whether so much may be spent in all."""
        return (self.usd is None or amount.usd <= self.usd) and (self.tokens is None or amount.tokens <= self.tokens)

    def ahead(self, taken: Amount, each: Amount) -> Amount:
        """Returns how much may be taken beside what is needed."""
        left = (
            each.usd if self.usd is None else (self.usd - taken.usd) * SHARE_AHEAD,
            each.tokens if self.tokens is None else (self.tokens - taken.tokens) * SHARE_AHEAD,
        )
        wanted = (CALLS_AHEAD * each.usd, CALLS_AHEAD * each.tokens)
        return Amount(*(max(min(a, b), 0.0) for a, b in zip(left, wanted, strict=True)))


class Purse:
    """What one budget has left. Every method may be called from any thread.

    Args:
        budget: The most that may be spent.
        scope: Whose budget it is, for messages.
        file: What the jobs share; None for a budget of this process alone.
    """

    def __init__(self, budget: Budget, scope: Scope = "job", file: LimitsFile | None = None) -> None:
        self.budget = budget
        self.scope: Scope = scope
        self._file = file
        self._owner = new_owner()
        self._lock = threading.Lock()
        # Of this process: what is spent, what is reserved, and what was taken in all, which others may not spend.
        self._spent = Amount()
        self._held = Amount()
        self._taken = Amount()

    def reserve(self, amount: Amount) -> bool:
        """Reserves an amount; false where it would pass the budget."""
        with self._lock:
            needed = self._spent.plus(self._held).plus(amount)
            if not self._covers(needed) and not self._take(needed, amount):
                return False
            self._held = self._held.plus(amount)
            return True

    def settle(self, reserved: Amount, spent: Amount) -> None:
        """Puts what was spent in the place of what was reserved."""
        with self._lock:
            self._held = self._held.plus(reserved, -1.0)
            self._spent = self._spent.plus(spent)

    def total(self) -> Amount:
        """Returns what is spent or reserved, by this process, and taken by all the others."""
        with self._lock:
            own = self._spent.plus(self._held)
            if self._file is None:
                return own
            return self._file.changing(self._others).plus(own)

    def close(self) -> None:
        """Gives back what was taken and not spent."""
        with self._lock:
            if self._file is not None and self._taken != Amount():
                self._taken = self._spent.plus(self._held)
                self._file.changing(self._write)
                self._file.close()

    def _covers(self, needed: Amount) -> bool:
        if self._file is None:
            return self.budget.allows(needed)
        return needed.usd <= self._taken.usd and needed.tokens <= self._taken.tokens

    def _take(self, needed: Amount, amount: Amount) -> bool:
        """Takes what is needed of the shared budget, and a little more; gives back what is not needed any longer."""
        if self._file is None:
            return False

        def take(connection: sqlite3.Connection) -> bool:
            others = self._others(connection)
            total = others.plus(needed)
            is_allowed = self.budget.allows(total)
            own = needed if is_allowed else needed.plus(amount, -1.0)
            self._taken = own.plus(self.budget.ahead(total, amount)) if is_allowed else own
            self._write(connection)
            return is_allowed

        return self._file.changing(take)

    def _others(self, connection: sqlite3.Connection) -> Amount:
        rows = connection.execute("SELECT owner, usd, tokens FROM spending WHERE owner != ?", (self._owner,)).fetchall()
        ended = [owner for owner, _, _ in rows if owner != ENDED and has_ended(owner)]
        total = Amount(sum(usd for _, usd, _ in rows), sum(tokens for _, _, tokens in rows))
        if ended:
            gone = [Amount(usd, tokens) for owner, usd, tokens in rows if owner in ended or owner == ENDED]
            connection.executemany("DELETE FROM spending WHERE owner = ?", [(owner,) for owner in ended])
            whole = (ENDED, sum(one.usd for one in gone), sum(one.tokens for one in gone))
            connection.execute("INSERT OR REPLACE INTO spending VALUES (?, ?, ?)", whole)
        return total

    def _write(self, connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR REPLACE INTO spending VALUES (?, ?, ?)", (self._owner, *self._taken))
