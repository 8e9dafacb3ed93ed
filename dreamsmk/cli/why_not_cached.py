"""`dreamsmk explain TARGET --why-not-cached N`: one call, whether it is stored, and the stored one that is nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamsmk.calls import StoredCall, is_there, nearest_call, open_cache
from dreamsmk.cards import difference_lines, differences
from dreamsmk.requests import Response
from dreamsmk.smk.asked import AskedCall

_SHOWN_CHARACTERS = 300


# Any: JSON.
def why_not_cached(target: Path, asked: AskedCall, calls: str | Path) -> tuple[str, dict[str, Any]]:
    """Returns what is to be said of a call, for people and as JSON. No cache is made where there is none."""
    key = asked.request.key()
    reply: Response | None = None
    nearest: StoredCall | None = None
    if is_there(calls):
        with open_cache(calls) as cache:
            reply = cache.get_many([key]).get(key)
            nearest = nearest_call(cache, asked.request) if reply is None else None
    wanted = asked.request.canonical()
    found = differences(dict(nearest.request), wanted) if nearest is not None else []
    lines = [
        f"{target}, call {asked.number} of {asked.calls} (from 0), to {asked.alias}",
        *(f"  {line}" for line in _asked_lines(asked)),
        f"  key          {key}",
    ]
    if asked.waits_for:
        lines.append(f"  note         {' and '.join(asked.waits_for)} comes first, and may change what is asked")
    if reply is not None:
        lines += [f"  in the cache since {reply.created_at}:", f"    {_cut(reply.text)}"]
    elif nearest is None:
        lines.append("  not in the cache, which is empty")
    else:
        by = f", asked by rule {nearest.rule}" if nearest.rule else ""
        lines.append(f"  not in the cache; the nearest stored call is of {nearest.created_at}{by}, and differs in")
        lines += [f"    {line}" for difference in found for line in difference_lines(difference)]
    return "\n".join(lines), {
        "target": str(target),
        "call": asked.number,
        "calls": asked.calls,
        "model": asked.alias,
        "key": key,
        "request": wanted,
        "waits_for": list(asked.waits_for),
        "reply": reply.to_json() if reply is not None else None,
        "nearest": None if nearest is None else _stored(nearest, [difference.to_json() for difference in found]),
    }


# Any: JSON.
def _stored(call: StoredCall, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"key": call.key, "created_at": call.created_at, "rule": call.rule, "differences": found}


def _asked_lines(asked: AskedCall) -> list[str]:
    model, sampling = asked.request.model, asked.request.sampling.given()
    given = ", ".join(f"{name} {value}" for name, value in sampling.items())
    lines = [f"model        {model.provider} {model.model}" + (f", {given}" if given else "")]
    return lines + [f"{message.role.ljust(12)} {_cut(message.content)}" for message in asked.request.messages]


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN_CHARACTERS else words[: _SHOWN_CHARACTERS - 1] + "…"
