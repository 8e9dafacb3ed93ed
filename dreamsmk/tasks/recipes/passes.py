"""Several passes of calls in one job, of which later ones build on the replies of earlier ones.

Contract: what may fail is counted over all passes of a job: a number of rows is used up, a share holds in each.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from dreamsmk.requests import Failure, Response
from dreamsmk.tasks.context import Asked


class Passes:
    """Asks pass after pass.

    Args:
        max_failures: How many rows may fail: a number of rows, or below 1 a share of those of each pass.

    Attributes:
        failed: How many rows failed so far.
    """

    def __init__(self, max_failures: float) -> None:
        self.failed = 0
        self._max_failures = max_failures

    def outcomes(self, asked: Asked) -> list[Response | Failure]:
        """Returns one reply or failure a prompt, in their order.

        Raises:
            ProviderError: More rows failed than may.
        """
        is_share = self._max_failures < 1
        allowed = self._max_failures if is_share else max(0, math.floor(self._max_failures) - self.failed)
        found = list(dataclasses.replace(asked, max_failures=allowed).outcomes())
        self.failed += sum(isinstance(outcome, Failure) for outcome in found)
        return found


# Any: JSON.
def judge_params(max_failures: float, **given: Any) -> Mapping[str, Any]:
    """Returns the parameters of calls to a second model, which are not those of the rule: its model spec decides."""
    return {"system_prompt": None, "fail_on": [], "repairs": 0, "max_failures": max_failures, **given}
