"""A model of the config as a task sees it: prompts become requests, requests become replies, each paid for once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dreamsmk.calls.asking import RequestMaker
from dreamsmk.calls.background import background_loop
from dreamsmk.calls.cache import Replies
from dreamsmk.calls.engine import Progress, answer
from dreamsmk.calls.prices import cost_of
from dreamsmk.calls.tally import Tally
from dreamsmk.providers.base import LocalProvider, Provider, ServiceProvider
from dreamsmk.requests import ModelIdentity, Request, Response
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
        provider_type: type[Provider] | None = None,
    ) -> None:
        super().__init__(alias, spec, identity, provider_type=provider_type)
        self.tally = Tally()
        self._cache = cache
        self._progress = progress
        self._rule = rule
        self._provider: Provider | None = None

    def answer(self, requests: Iterable[Request], *, total: int | None = None) -> Iterator[Response]:
        """Returns one reply a request, in their order; see `calls.answer`."""
        return answer(
            self._open,
            self._cache,
            requests,
            total=total,
            progress=self._progress,
            rule=self._rule,
            tally=self.tally,
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
