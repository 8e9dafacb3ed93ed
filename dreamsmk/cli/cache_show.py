"""`dreamsmk cache show KEY`: one call, whole."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator
from typing import Any

from dreamsmk.calls import CallCache, CallRow
from dreamsmk.calls.caching.reply_json import decoded
from dreamsmk.cli.cache_choice import existing_cache, minute
from dreamsmk.cli.cache_list import call_cost, call_json
from dreamsmk.errors import SettingsError
from dreamsmk.requests import Response

_WIDTH = 100
_SHOWN_TWINS = 3
# Of a request, what has lines of its own below.
_SHOWN_APART = frozenset({"v", "model", "messages", "sampling"})


def run(given: argparse.Namespace) -> int:
    """Prints a call."""
    with existing_cache(given) as cache:
        row = _find(cache, given.key)
    print(json.dumps(call_json(row), indent=2, ensure_ascii=False) if given.json else "\n".join(_lines(row)))
    return 0


def _find(cache: CallCache | None, start: str) -> CallRow:
    wanted = start if start.startswith("sha256:") else f"sha256:{start}"
    found = cache.beginning(wanted, limit=_SHOWN_TWINS + 1) if cache is not None else []
    if not found:
        raise SettingsError("there is no such call", where=start, hint="see dreamsmk cache list")
    if len(found) > 1:
        shown = ", ".join(row.key.removeprefix("sha256:")[: len(start) + 8] for row in found[:_SHOWN_TWINS])
        more = ", …" if len(found) > _SHOWN_TWINS else ""
        raise SettingsError("several calls begin so", where=start, hint=f"write more of one of {shown}{more}")
    return found[0]


def _lines(row: CallRow) -> Iterator[str]:
    request, reply = json.loads(row.request), decoded(row.response)
    yield row.key
    yield f"  asked       {minute(row.created_at)}" + (f" by rule {row.rule}" if row.rule else "")
    yield f"  model       {row.provider} {row.model}" + _given(request["model"], {"provider", "model"})
    if "sampling" in request:
        yield f"  sampling    {_given(request['sampling'], set())[2:]}"
    for name in sorted(request.keys() - _SHOWN_APART):
        yield f"  {name:<12}{json.dumps(request[name], ensure_ascii=False)}"
    for message in request.get("messages", []):
        yield from _message(message)
    yield from _reply(reply)
    usage, cost = reply.usage, call_cost(row, request, reply)
    yield ""
    yield (
        f"  {usage.input_tokens:,} tokens in ({usage.cached_input_tokens:,} cached), {usage.output_tokens:,} out"
        f" ({usage.reasoning_tokens:,} reasoning), {reply.latency_seconds:.2f} s, {reply.retries} retries"
    )
    yield "  cost not known" if cost.usd is None else f"  {cost.usd:.6f} USD ({cost.source})"


# Any: JSON.
def _given(values: dict[str, Any], left_out: set[str]) -> str:
    shown = {name: value for name, value in values.items() if name not in left_out}
    return "".join(f", {name} {json.dumps(value, ensure_ascii=False)}" for name, value in shown.items())


# Any: JSON.
def _message(message: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"  {message['role']}" + (f" (of call {message['tool_call_id']})" if "tool_call_id" in message else "")
    yield from _indented(message.get("content", ""))
    for image in message.get("images", []):
        yield f"    image {image['media_type']} {image['digest']}"
    for call in message.get("tool_calls", []):
        yield f"    calls {call['name']}({call['arguments']})"


def _reply(reply: Response) -> Iterator[str]:
    yield ""
    yield f"  reply of {reply.model} ({reply.finish_reason})"
    if reply.reasoning:
        yield "    reasoning:"
        yield from _indented(reply.reasoning, "      ")
    yield from _indented(reply.text)
    if reply.refusal:
        yield "    refused:"
        yield from _indented(reply.refusal, "      ")
    for call in reply.tool_calls:
        yield f"    calls {call.name}({call.arguments})"
    if reply.embedding is not None:
        yield f"    a vector of {len(reply.vector()):,} numbers"
    if reply.labels is not None:
        yield f"    labels {json.dumps(dict(reply.labels), ensure_ascii=False)}"


def _indented(text: str, margin: str = "    ") -> Iterator[str]:
    for line in text.splitlines():
        yield from textwrap.wrap(line, _WIDTH, initial_indent=margin, subsequent_indent=margin) or [""]
