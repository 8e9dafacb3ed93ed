"""Budgets for a carrier that knows nothing of them.

Contract: a call is handed on only when what it may cost is reserved. From the first one on that does not fit, nothing
more is handed on; what was is waited for, and then that call ends with `BudgetSpent`. What a call has cost counts when
its reply comes: of calls that go on without this process, the one that fetches them counts it.
"""

from __future__ import annotations

from collections.abc import Sequence

from dreamsmk.calls.bounds.budget import Amount
from dreamsmk.calls.bounds.spending import Spending
from dreamsmk.calls.call import Call, Carrier


class BudgetedCarrier:
    """Holds the budgets of the calls that another carrier carries.

    Args:
        carrier: What carries the calls.
        spending: The budgets.
    """

    def __init__(self, carrier: Carrier, spending: Spending) -> None:
        self.lookahead_rows = carrier.lookahead_rows
        self._carrier = carrier
        self._spending = spending
        self._reserved: dict[str, Amount] = {}
        self._refused: Call | None = None
        self._is_stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more will be sent."""
        return self._is_stopped or self._carrier.is_stopped

    def has_room(self) -> bool:
        """Whether more calls would be of use now."""
        return self._refused is None and self._carrier.has_room()

    def submit(self, calls: Sequence[Call]) -> None:
        """Hands on the calls that fit."""
        fitting = []
        for call in calls:
            if self._refused is not None:
                break
            reserved = self._spending.reserve([call.request])
            if reserved is None:
                self._refused = call
            else:
                self._reserved[call.key] = reserved
                fitting.append(call)
        if fitting:
            self._carrier.submit(fitting)

    def collect(self, *, wait_seconds: float) -> list[Call]:
        """Returns the calls that were done; the one that did not fit comes last of all."""
        done = self._carrier.collect(wait_seconds=wait_seconds)
        for call in done:
            replies = [] if call.response is None else [call.response]
            self._spending.settle(self._reserved.pop(call.key), replies)
        if not done and not self._reserved and self._refused is not None and not self._is_stopped:
            self._is_stopped = True
            self._refused.error = self._spending.error([self._refused.request])
            return [self._refused]
        return done

    def stop(self, grace_seconds: float | None) -> None:
        """Sends nothing more."""
        self._carrier.stop(grace_seconds)
        for reserved in self._reserved.values():
            self._spending.settle(reserved, [])
        self._reserved.clear()
