"""`dreamsmk cache stats`: what was asked of each model, by each rule, and what it came to."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dreamsmk.calls import ModelCalls
from dreamsmk.cli.cache_choice import cost_of_calls, existing_cache, minute, place_of, selection_of
from dreamsmk.cli.table import print_table, short_model
from dreamsmk.requests import Usage


def run(given: argparse.Namespace) -> int:
    """Prints a table of models, one of rules, and a total."""
    selection = selection_of(given)
    models: Sequence[ModelCalls] = []
    rules: Sequence[ModelCalls] = []
    with existing_cache(given) as cache:
        if cache is not None:
            models, rules = cache.stats(selection), cache.stats(selection, by_rule=True)
    if given.json:
        print(json.dumps({"models": [_json(row) for row in models], "rules": [_json(row) for row in rules]}, indent=2))
    elif models:
        print_table([_line(row) for row in models])
        print()
        print_table([{"rule": row.rule or None} | _line(row) for row in rules])
        print()
        print(_total(models))
    else:
        print(f"{_shown_place(given)} holds no such calls", file=sys.stderr)
    return 0


# Any: JSON.
def _json(row: ModelCalls) -> dict[str, Any]:
    cost = cost_of_calls(row)
    return asdict(row) | {"cost_usd": cost.usd, "prices": cost.source}


def _line(row: ModelCalls) -> dict[str, object]:
    usage = row.usage
    return {
        "provider": row.provider if row.base_url is None else f"{row.provider} {row.base_url}",
        "model": short_model(row.model),
        "calls": row.calls,
        "input": usage.input_tokens,
        "cached": usage.cached_input_tokens,
        "output": usage.output_tokens,
        "reasoning": usage.reasoning_tokens,
        "usd": _usd(cost_of_calls(row).usd),
        "seconds": f"{row.latency_seconds:.2f}",
        "retries": row.retries,
        "first": minute(row.first_at),
        "last": minute(row.last_at),
    }


def _total(rows: Sequence[ModelCalls]) -> str:
    usage = sum((row.usage for row in rows), Usage())
    costs = [cost_of_calls(row).usd for row in rows]
    known = sum(cost for cost in costs if cost is not None)
    unknown = sum(row.calls for row, cost in zip(rows, costs, strict=True) if cost is None)
    price = f"{known:.2f} USD" + (f" and {unknown:,} calls without a known price" if unknown else "")
    tokens = f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
    return f"{sum(row.calls for row in rows):,} calls, {tokens}, {price}"


def _usd(cost: float | None) -> str | None:
    return None if cost is None else f"{cost:.4f}"


def _shown_place(given: argparse.Namespace) -> str:
    place = place_of(given)
    return "the database" if isinstance(place, str) else str(place)
