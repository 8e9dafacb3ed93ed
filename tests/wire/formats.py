"""The wire formats by the path that they are spoken at. Replies are a pure function of the body."""

from __future__ import annotations

from typing import Any

from tests.wire import anthropic_format, openai_format
from tests.wire.answers import Script


def reply_to(path: str, body: dict[str, Any], script: Script, number: int) -> dict[str, Any]:
    """Returns the JSON reply to a body that was posted to a path, such as `/v1/messages`.

    Args:
        path: The path; only its end counts.
        body: The JSON body.
        script: What replies are made by.
        number: The number of the call, for ids.
    """
    if path.endswith("/messages"):
        return anthropic_format.message(body, script, number)
    # "/chat/completions" ends with "/completions" as well, and stands before it
    answer = next(answer for end, answer in openai_format.FORMATS.items() if path.endswith(end))
    return answer(body, script, number)


def id_header(path: str) -> str:
    """Returns the name of the header that a service tells the id of a call in."""
    return "request-id" if path.endswith("/messages") else "x-request-id"
