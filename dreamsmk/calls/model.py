"""A model of the config as a task sees it: prompts become requests, requests become replies, each paid for once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from dreamsmk.calls.asking import RequestMaker
from dreamsmk.calls.background import background_loop
from dreamsmk.calls.bounds.budget import Purse
from dreamsmk.calls.bounds.limits import Limits
from dreamsmk.calls.bounds.limits_file import LimitsFile
from dreamsmk.calls.bounds.prices import cost_of
from dreamsmk.calls.bounds.spending import Spending
from dreamsmk.calls.caching.cache import Replies
from dreamsmk.calls.carriers import Terms
from dreamsmk.calls.engine import outcomes
from dreamsmk.calls.failure_table import FailureTable
from dreamsmk.calls.progress import Progress
from dreamsmk.calls.tally import Tally
from dreamsmk.providers.base import LocalProvider, Provider, ServiceProvider
from dreamsmk.requests import Failure, Judge, ModelIdentity, Request, Response
from dreamsmk.settings import ModelSpec


class CachedModel(RequestMaker):
    """A model whose calls go through the engine and the cache; it implements `tasks.context.Model`.

    Args:
        alias: The model's name under `models:`.
        spec: The model spec.
        identity: Which model answers, for the keys; made from the spec once.
        cache: Where replies are looked up and kept; `FreshReplies` where all is to be asked again.
        progress: Whom to tell how far the calls are.
        rule: The rule that asks, for the cache.
        failures: The job's failure table.
        batches: The file that remembers batches at services; that of the usual home by default.
        limits: The file that the jobs of the home hold their rates with; without it, rates are this process's own.
        purses: The budgets that apply: the job's, the workflow's.
        provider_type: The provider's class, where it is not the registered one.

    Attributes:
        tally: What all calls so far came to.
    """

    def __init__(  # noqa: PLR0913  # all but four have a default
        self,
        alias: str,
        spec: ModelSpec,
        identity: ModelIdentity,
        cache: Replies,
        progress: Progress | None = None,
        *,
        rule: str = "",
        failures: FailureTable | None = None,
        batches: Path | None = None,
        limits: LimitsFile | None = None,
        purses: Sequence[Purse] = (),
        provider_type: type[Provider] | None = None,
    ) -> None:
        super().__init__(alias, spec, identity, provider_type=provider_type)
        self.tally = Tally()
        self._cache = cache
        self._progress = progress
        self._rule = rule
        self._sink = None if failures is None else failures.sink(alias)
        self._batches = batches
        self._terms = Terms(Limits.of(spec, limits), Spending(spec, purses) if purses else None)
        self._provider: Provider | None = None

    def answer(self, requests: Iterable[Request], *, total: int | None = None) -> Iterator[Response]:
        """Returns one reply a request, in their order; see `calls.answer`."""
        return cast(Iterator[Response], self.outcomes(requests, total=total))

    def outcomes(
        self,
        requests: Iterable[Request],
        *,
        total: int | None = None,
        judge: Judge | None = None,
        max_failures: float = 0,
    ) -> Iterator[Response | Failure]:
        """Returns one reply or failure a request, in their order; see `calls.outcomes`."""
        return outcomes(
            self._open,
            self._cache,
            requests,
            total=total,
            judge=judge,
            max_failures=max_failures,
            sink=self._sink,
            progress=self._progress,
            rule=self._rule,
            tally=self.tally,
            batches=self._batches,
            terms=self._terms,
        )

    # Any: JSON.
    def calls_json(self) -> dict[str, Any]:
        """Returns the tally as a plain JSON value, with its cost.

        `cost_usd` is what this run paid, `cost_usd_uncached` what its rows cost where every one of them is asked anew;
        both are null where the price is not known, and `prices` says where it is from.
        """
        tally = self.tally
        paid = cost_of(self._spec, tally.sent_usage, calls=tally.sent)
        whole = cost_of(self._spec, tally.usage, calls=tally.answered)
        return tally.to_json() | {"cost_usd": paid.usd, "cost_usd_uncached": whole.usd, "prices": whole.source}

    def close(self) -> None:
        """Closes the provider's connections or frees its memory; harmless when nothing was opened."""
        provider, self._provider = self._provider, None
        if isinstance(provider, ServiceProvider):
            background_loop().run(provider.close())
        elif isinstance(provider, LocalProvider):
            provider.close()

    def _open(self) -> Provider:
        if self._provider is None:
            self._provider = self._type()(self._spec)
        return self._provider
