"""Requests read back from their canonical JSON, for replies that arrive when nobody holds the request any more.

Contract: `request_of(canonical_bytes(r.canonical()))` has the key and the canonical form of `r`. What takes no part in
the key (where an image lies) is lost, so that such a request can be stored and named, and not always sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dreamsmk.requests import Image, Message, ModelIdentity, Request, Sampling, ToolCall


def request_of(canonical: str | bytes) -> Request:
    """Returns the request of a canonical JSON text."""
    value = json.loads(canonical)
    value.pop("v")
    sampling = value.pop("sampling", {})
    if "stop" in sampling:
        sampling["stop"] = tuple(sampling["stop"])
    messages = tuple(map(_message, value.pop("messages", ())))
    tools = tuple(value.pop("tools", ()))
    model = ModelIdentity(**value.pop("model"))
    return Request(model, messages, Sampling(**sampling), tools=tools, **value)


# Any: JSON.
def _message(value: Mapping[str, Any]) -> Message:
    images = tuple(Image(**image) for image in value.get("images", ()))
    tool_calls = tuple(ToolCall(**{"arguments": "", **call}) for call in value.get("tool_calls", ()))
    return Message(**{"content": "", **value, "images": images, "tool_calls": tool_calls})
