"""`dreamsmk cache list`: calls, the newest first, one line each."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from dreamsmk.calls import CallRow
from dreamsmk.calls.bounds.prices import Cost
from dreamsmk.calls.caching.reply_json import decoded
from dreamsmk.cli.cache_choice import existing_cache, listed_cost, minute, selection_of
from dreamsmk.cli.table import print_table, short_model
from dreamsmk.requests import Response

# So many characters of a key tell a billion calls apart.
KEY_CHARACTERS = 12
_REPLY_CHARACTERS = 48


def run(given: argparse.Namespace) -> int:
    """Prints one line a call."""
    with existing_cache(given) as cache:
        rows = cache.newest(selection_of(given), limit=given.limit) if cache is not None else []
    if given.json:
        print(json.dumps([call_json(row) for row in rows], indent=2, ensure_ascii=False))
    elif rows:
        print_table([_line(row) for row in rows])
    else:
        print("there are no such calls", file=sys.stderr)
    return 0


# Any: JSON.
def call_json(row: CallRow) -> dict[str, Any]:
    """Returns a whole call as a JSON value, with its cost."""
    request, reply = json.loads(row.request), decoded(row.response)
    cost = call_cost(row, request, reply)
    return {
        "key": row.key,
        "created_at": row.created_at,
        "rule": row.rule,
        "model": row.model,
        "provider": row.provider,
        "cost_usd": cost.usd,
        "prices": cost.source,
        "request": request,
        "response": reply.to_json(),
    }


# Any: JSON.
def call_cost(row: CallRow, request: dict[str, Any], reply: Response) -> Cost:
    """Returns what a call cost."""
    base_url = request["model"].get("base_url")
    return listed_cost(row.provider, row.model, base_url, reply.usage, calls=1, at=row.created_at)


def _line(row: CallRow) -> dict[str, object]:
    reply = decoded(row.response)
    cost = call_cost(row, json.loads(row.request), reply).usd
    return {
        "key": row.key.removeprefix("sha256:")[:KEY_CHARACTERS],
        "when": minute(row.created_at),
        "rule": row.rule or None,
        "model": short_model(row.model),
        "in": reply.usage.input_tokens,
        "out": reply.usage.output_tokens,
        "usd": None if cost is None else f"{cost:.5f}",
        "reply": first_words(reply),
    }


def first_words(reply: Response) -> str:
    """Returns the beginning of what a model answered, on one line."""
    words = " ".join(reply.text.split())
    if not words and reply.tool_calls:
        words = ", ".join(f"{call.name}(…)" for call in reply.tool_calls)
    if not words:
        words = f"({reply.finish_reason})" if reply.embedding is None else "(a vector)"
    return words if len(words) <= _REPLY_CHARACTERS else words[: _REPLY_CHARACTERS - 1] + "…"
