"""When a request that failed for now is sent again, and which failures are for good.

The wait doubles with each attempt up to a cap and is drawn from its upper half, so that requests that failed together
do not come back together (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). A service that
says how long to wait (`Retry-After`) is never asked sooner.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from dreamsmk.errors import BudgetSpent, MissingCredentials, ProviderError

# Statuses that every further request would get too: wrong key, no permission, no such model or endpoint.
STATUSES_FOR_ALL = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a request is sent again.

    Attributes:
        max_retries: How often a request is sent again, at most.
        base_seconds: The longest wait before the first repeat.
        cap_seconds: The longest wait before any repeat, unless the service asks for more.
        cap_asked_seconds: The longest wait that a service is granted.
        patience_seconds: How long a request may get nothing but 429 before it fails.
        jitter: Where the random part of a wait comes from.
    """

    max_retries: int
    base_seconds: float = 1.0
    cap_seconds: float = 60.0
    cap_asked_seconds: float = 600.0
    patience_seconds: float = 900.0
    jitter: random.Random = field(default_factory=random.Random)

    def delay_seconds(self, attempts: int, retry_after_seconds: float | None = None) -> float:
        """Returns how long to wait after the failure of attempt number `attempts`, counted from 1."""
        share = self.jitter.random()
        if retry_after_seconds is not None:
            # A tenth on top: those who were told the same time spread out as well.
            return min(max(retry_after_seconds, 0.0), self.cap_asked_seconds) * (1 + share / 10)
        # The exponent is bounded, since 2.0 ** 1024 is an OverflowError.
        longest: float = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempts - 1, 64))
        return longest * (0.5 + share / 2)


def is_for_all(error: ProviderError) -> bool:
    """Tells whether every further request would fail like this one."""
    return isinstance(error, (MissingCredentials, BudgetSpent)) or error.status in STATUSES_FOR_ALL
