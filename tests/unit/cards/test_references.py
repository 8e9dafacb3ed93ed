import datetime
import re
from urllib.parse import urlsplit

import pytest

from dreamsmk.cards.references import pages_of, provider_pages

PAGES = provider_pages()


@pytest.mark.parametrize("pages", PAGES.values(), ids=PAGES)
def test_every_link_is_on_a_domain_of_its_provider(pages):
    links = [pages.terms_url, pages.usage_policy_url, pages.cards_url, *(url for _, url in pages.cards)]
    for url in filter(None, links):
        host = urlsplit(url).hostname or ""
        assert urlsplit(url).scheme == "https"
        assert any(host == domain or host.endswith(f".{domain}") for domain in pages.domains), url


@pytest.mark.parametrize("pages", PAGES.values(), ids=PAGES)
def test_every_provider_says_when_it_was_checked(pages):
    assert datetime.date.fromisoformat(pages.checked) >= datetime.date(2026, 1, 1)


@pytest.mark.parametrize("model", ["gpt-4", "gpt-4-0613", "gpt-4o", "gpt-5.5", "gpt-5.5-mini", "gpt-6-astra"])
def test_no_model_has_two_cards(model):
    for pages in PAGES.values():
        assert sum(re.search(pattern, model) is not None for pattern, _ in pages.cards) <= 1


def test_a_model_whose_card_is_not_known_leads_to_the_page_of_all_cards():
    assert PAGES["openai"].card_url("gpt-4o") == PAGES["openai"].cards_url


def test_a_server_that_speaks_a_providers_protocol_is_not_that_provider():
    assert pages_of("openai", "https://api.together.xyz/v1") is None
    assert pages_of("openai", None) is PAGES["openai"]
    assert pages_of("transformers", None) is None
