"""Which carrier carries the calls of a provider, and under what terms."""

from __future__ import annotations

from dataclasses import dataclass

from dreamsmk.calls.bounds.limits import Limits
from dreamsmk.calls.bounds.spending import Spending
from dreamsmk.calls.call import Carrier, Keep
from dreamsmk.calls.local import LocalBatches
from dreamsmk.calls.window import ServiceWindow
from dreamsmk.providers.base import LocalProvider, Provider, ServiceProvider


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what terms calls are sent.

    Attributes:
        limits: The rates to hold; None for none.
        spending: The budgets to hold; None for none.
    """

    limits: Limits | None = None
    spending: Spending | None = None


NO_TERMS = Terms()


def open_carrier(provider: Provider, keep: Keep, terms: Terms) -> Carrier:
    """Returns what carries the calls of a provider.

    Raises:
        SettingsError: There is a budget in money and no price.
    """
    if terms.spending is not None:
        terms.spending.check()
    if isinstance(provider, ServiceProvider):
        return ServiceWindow(provider, keep, limits=terms.limits, spending=terms.spending)
    if isinstance(provider, LocalProvider):
        return LocalBatches(provider, keep, spending=terms.spending)
    raise TypeError(f"{type(provider).__name__} is neither a ServiceProvider nor a LocalProvider")
