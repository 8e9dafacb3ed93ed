"""The shortest time that a window of requests in flight can take."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def ideal_seconds(latencies: Sequence[float], concurrency: int, *, pace_seconds: float = 0.0) -> float:
    """Returns when the last reply is there if no place of the window is ever empty for longer than it must be.

    The rows are sent in their order, each as soon as one of the places is free, and none sooner than `pace_seconds`
    after the one before: what a request costs beside its latency. This is what list scheduling gives (R. L. Graham,
    "Bounds for Certain Multiprocessing Anomalies", 1966); a barrier anywhere makes it longer.

    Args:
        latencies: How long each reply takes, in seconds.
        concurrency: Places of the window.
        pace_seconds: The time between two requests, as measured where no reply is slow.
    """
    free = [0.0] * concurrency
    sent = -pace_seconds
    last = 0.0
    for latency in latencies:
        sent = max(heapq.heappop(free), sent + pace_seconds)
        last = max(last, sent + latency)
        heapq.heappush(free, sent + latency)
    return last
