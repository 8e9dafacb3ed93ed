"""What calls cost: the config first, then nothing for local models, then the price list, else nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dreamsmk.calls import cost_of, price_list
from dreamsmk.requests import Usage
from dreamsmk.settings import ModelSpec

USAGE = Usage(input_tokens=1_000_000, cached_input_tokens=200_000, output_tokens=100_000)
THEN = datetime(2026, 6, 1, tzinfo=UTC)


def test_prices_of_the_config_go_over_the_list():
    prices = {"input_usd_per_million": 1.0, "output_usd_per_million": 10.0}
    spec = ModelSpec(provider="openai", model="gpt-4o-mini", prices=prices)
    assert cost_of(spec, USAGE).usd == pytest.approx(2.0)
    assert cost_of(spec, USAGE).source == "config"
    cheaper = ModelSpec(provider="openai", model="x", prices={**prices, "cached_input_usd_per_million": 0.5})
    assert cost_of(cheaper, USAGE).usd == pytest.approx(0.8 + 0.1 + 1.0)


@pytest.mark.parametrize("provider", ["transformers", "echo"])
def test_a_model_in_the_job_costs_nothing(provider):
    cost = cost_of(ModelSpec(provider=provider, model="gpt-4o-mini"), USAGE)
    assert (cost.usd, cost.source) == (0.0, "local")


@pytest.mark.parametrize(
    ("spec", "usd"),
    [
        (ModelSpec(provider="openai", model="gpt-4o-mini"), 0.8 * 0.15 + 0.2 * 0.075 + 0.1 * 0.6),
        (ModelSpec(provider="openai", model="gpt-4o-mini", base_url="https://api.openai.com/v1/"), 0.195),
        (ModelSpec(provider="anthropic", model="claude-haiku-4-5"), 0.8 * 1 + 0.2 * 0.1 + 0.1 * 5),
    ],
)
def test_a_service_costs_what_the_list_says(spec, usd):
    cost = cost_of(spec, USAGE, calls=1000, at=THEN)
    assert cost.usd == pytest.approx(usd)
    assert cost.source == price_list()
    assert cost.source.startswith("genai-prices ")


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec(provider="openai", model="no-such-model"),
        ModelSpec(provider="openai", model="gpt-4o-mini", base_url="http://127.0.0.1:8000/v1"),
    ],
)
def test_a_price_that_nobody_knows_is_not_guessed(spec):
    assert cost_of(spec, USAGE) == cost_of(spec, Usage())
    assert cost_of(spec, USAGE).usd is None


def test_many_short_calls_do_not_cost_what_one_long_one_does():
    spec = ModelSpec(provider="openai", model="gpt-5.5")
    whole = cost_of(spec, Usage(input_tokens=1_000_000, output_tokens=1000), at=THEN)
    parts = cost_of(spec, Usage(input_tokens=1_000_000, output_tokens=1000), calls=1000, at=THEN)
    one = cost_of(spec, Usage(input_tokens=1000, output_tokens=1), at=THEN)
    assert parts.usd == pytest.approx(1000 * one.usd)
    assert parts.usd <= whole.usd


def test_more_cached_tokens_than_tokens_are_no_error():
    odd = Usage(input_tokens=1, cached_input_tokens=5, output_tokens=1)
    assert cost_of(ModelSpec(provider="openai", model="gpt-4o-mini"), odd).usd > 0


def test_a_call_of_the_batch_api_costs_half():
    prices = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
    live = ModelSpec(provider="openai", model="m", prices=prices)
    batch = ModelSpec(provider="openai", model="m", prices=prices, mode="batch")
    usage = Usage(1000, 0, 500)
    assert cost_of(batch, usage).usd == cost_of(live, usage).usd / 2
    assert cost_of(ModelSpec(provider="echo", model="m", mode="batch"), usage).usd == 0.0
