"""What calls cost, in US dollars.

Contract: the `prices` of the model spec come first. Without them a local model costs nothing, and a service what the
price list says for the day of the call. The list is the package `genai-prices`, as installed: nothing is looked up
over the network. A price that is in neither is `None`, never a guess. Both say what a live call costs; in the mode
`batch` a call costs half of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from dreamsmk.providers.identity import normal_base_url
from dreamsmk.providers.registry import provider_class
from dreamsmk.requests import Usage
from dreamsmk.settings import ModelSpec

PACKAGE = "genai-prices"
_MILLION = 1_000_000
# What OpenAI and Anthropic take of the price of a live call for one that goes through their batch APIs.
BATCH_SHARE = 0.5
# Runs in the job's process without any model.
_FREE_PROVIDERS = frozenset({"echo"})


@dataclass(frozen=True, slots=True)
class Cost:
    """What some calls cost.

    Attributes:
        usd: US dollars; None where no price is known.
        source: Where the price is from: `config`, `local` or the price list with its version; None with no price.
    """

    usd: float | None
    source: str | None


UNKNOWN = Cost(None, None)


def cost_of(spec: ModelSpec, usage: Usage, *, calls: int = 1, at: datetime | None = None) -> Cost:
    """Returns what calls cost.

    Args:
        spec: The model that is called.
        usage: The tokens of all the calls.
        calls: How many calls there are: some prices depend on the length of one call.
        at: When the calls are made, with its time zone; now by default.
    """
    share = BATCH_SHARE if spec.mode == "batch" else 1.0
    if spec.prices:
        return Cost(share * _at_own_prices(spec.prices, usage), "config")
    capabilities = provider_class(spec.provider).capabilities
    if capabilities.is_local or spec.provider in _FREE_PROVIDERS:
        return Cost(0.0, "local")
    usd = _listed(spec, usage, max(calls, 1), at)
    return UNKNOWN if usd is None else Cost(share * usd, price_list())


def price_list() -> str | None:
    """Returns the name and version of the installed price list; None where there is none."""
    return f"{PACKAGE} {metadata.version(PACKAGE)}" if find_spec("genai_prices") else None


def _at_own_prices(prices: Mapping[str, float], usage: Usage) -> float:
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    input_price = prices["input_usd_per_million"]
    cached_price = prices.get("cached_input_usd_per_million", input_price)
    dollars = (usage.input_tokens - cached) * input_price + cached * cached_price
    return (dollars + usage.output_tokens * prices["output_usd_per_million"]) / _MILLION


def _listed(spec: ModelSpec, usage: Usage, calls: int, at: datetime | None) -> float | None:
    try:
        import genai_prices
    except ImportError:
        return None
    # one call of mean length, so that a price for long prompts is not taken for many short ones
    tokens = {
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": min(usage.cached_input_tokens, usage.input_tokens),
        "output_tokens": usage.output_tokens,
    }
    mean = genai_prices.Usage(**{name: Decimal(count) / calls for name, count in tokens.items()})
    try:
        price = genai_prices.calc_price(mean, spec.model, genai_request_timestamp=at, **_where(spec))
    except LookupError:
        return None
    return float(price.total_price * calls)


# Any: keyword arguments of one of two overloads.
def _where(spec: ModelSpec) -> dict[str, Any]:
    default = provider_class(spec.provider).capabilities.default_base_url
    if endpoint := normal_base_url(spec.base_url, default):
        return {"provider_api_url": endpoint}
    return {"provider_id": spec.provider}
