"""Many model calls, each paid for once: requests in, replies out, in the order of the requests.

Contract: a row whose reply is in the cache costs a look-up; the others are sent, identical ones once. The requests are
read as they are needed and never all held. A row that fails for good holds no other row up: it is handed out as a
`Failure`, and where more rows fail than may, all the others are still answered and kept before that is raised. Whatever
ends a run early (an error, Ctrl-C, SIGTERM, a caller that stops asking), replies that arrive within a few seconds are
kept; nothing is ever sent that the cache can answer, and no provider is opened before the first miss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import cast

from dreamsmk.calls.caching.cache import Replies
from dreamsmk.calls.carriers import NO_TERMS, Terms
from dreamsmk.calls.failures import Failures, FailureSink
from dreamsmk.calls.passes import Pass
from dreamsmk.calls.progress import Progress
from dreamsmk.calls.tally import Tally
from dreamsmk.providers.base import Provider
from dreamsmk.requests import Failure, Judge, Request, Response


def answer(  # noqa: PLR0913  # all but three are by keyword and have a default
    provider: Provider | Callable[[], Provider],
    cache: Replies,
    requests: Iterable[Request],
    *,
    total: int | None = None,
    progress: Progress | None = None,
    rule: str = "",
    tally: Tally | None = None,
    batches: Path | None = None,
) -> Iterator[Response]:
    """Answers requests, from the cache or from the provider: `outcomes` where no row may fail.

    Yields:
        One reply a request, in their order.

    Raises:
        ProviderError: Rows failed for good; see `outcomes`.
        CacheError: A reply could not be kept.
    """
    found = outcomes(provider, cache, requests, total=total, progress=progress, rule=rule, tally=tally, batches=batches)
    # The first failure is one too many: nothing is handed out from there on.
    return cast(Iterator[Response], found)


def outcomes(  # noqa: PLR0913  # all but three are by keyword and have a default
    provider: Provider | Callable[[], Provider],
    cache: Replies,
    requests: Iterable[Request],
    *,
    total: int | None = None,
    judge: Judge | None = None,
    max_failures: float = 0,
    sink: FailureSink | None = None,
    progress: Progress | None = None,
    rule: str = "",
    tally: Tally | None = None,
    batches: Path | None = None,
    terms: Terms = NO_TERMS,
) -> Iterator[Response | Failure]:
    """Answers requests, from the cache or from the provider, and says of each row that cannot be answered why.

    Args:
        provider: Whom to ask, or what opens it at the first miss. It stays open.
        cache: Where replies are looked up and kept.
        requests: What to ask; read as needed, some thousands of rows ahead of what was handed out at most.
        total: How many requests there are, where they cannot say so themselves.
        judge: Looks at each reply, those from the cache too, in the calling thread; see `requests.Judge`. What it goes
            on with is asked at once, and no other row waits for it.
        max_failures: How many rows may fail: a number of rows, or below 1 a share of them.
        sink: Whom to tell of each row that failed, as it fails.
        progress: Whom to tell `hits`, `sent`, `tokens` and, once there are any, `failed`.
        rule: The rule that asks, for the cache.
        tally: Counts to go on with.
        batches: The file that remembers batches at services (`mode: batch`); that of the usual home by default.
        terms: The rates and budgets to hold.

    Yields:
        One reply or failure a request, in their order. Nothing more from the first failure on that is one too many: a
        share is known to be too many before the end only where the total is known.

    Raises:
        ProviderError: More rows failed for good than may. Of the kind of the first failure, after all other rows were
            answered and kept, or at once where every further request would fail as well (401, 403, 404, no API key),
            whatever may fail.
        BudgetSpent: The next call might pass a budget. What was in flight is kept.
        CacheError: A reply could not be kept.
    """
    if total is None and isinstance(requests, Sized):
        total = len(requests)
    failures = Failures(max_failures, total, sink)
    one = Pass(
        provider,
        cache,
        failures,
        Tally() if tally is None else tally,
        judge=judge,
        rule=rule,
        batches=batches,
        terms=terms,
    )
    one.report(progress, total)
    return one.outcomes(iter(requests))
