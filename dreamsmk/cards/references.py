"""The providers' own pages: terms of use and model cards, with the day on which each was checked.

Contract: links and nothing else. A provider's terms are never called a licence, and a server that merely speaks a
provider's protocol (`base_url`) is not that provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class ProviderPages:
    """The pages of one provider.

    Attributes:
        cards_url: The page that lists all model cards of the provider.
        cards: Patterns of model ids, with the page of the card of those models.
        domains: The domains that belong to the provider; every link is on one of them.
        checked: The day, ISO 8601.
    """

    name: str
    terms_url: str
    usage_policy_url: str | None
    cards_url: str
    cards: tuple[tuple[str, str], ...]
    domains: tuple[str, ...]
    checked: str

    def card_url(self, model: str) -> str:
        """Returns the page of a model's card, or the page of all cards where that of the model is not known."""
        return next((url for pattern, url in self.cards if re.search(pattern, model)), self.cards_url)


@cache
def provider_pages() -> Mapping[str, ProviderPages]:
    """Returns the pages of every provider in `references.yaml`, by the provider's name in a model spec."""
    import yaml

    table = yaml.safe_load(files("dreamsmk.cards").joinpath("references.yaml").read_text("utf-8"))
    return {
        key: ProviderPages(
            name=entry["name"],
            terms_url=entry["terms_url"],
            usage_policy_url=entry.get("usage_policy_url"),
            cards_url=entry["cards_url"],
            cards=tuple((card["match"], card["url"]) for card in entry["cards"]),
            domains=tuple(entry["domains"]),
            checked=entry["checked"].isoformat(),
        )
        for key, entry in table["providers"].items()
    }


def pages_of(provider: str, base_url: str | None) -> ProviderPages | None:
    """Returns the pages of the provider that answered, or `None` where it is not known who did."""
    return None if base_url else provider_pages().get(provider)
