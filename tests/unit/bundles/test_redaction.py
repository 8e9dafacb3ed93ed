"""What leaves in a bundle without prompts."""

from __future__ import annotations

from dreamsmk.bundles.redaction import without_prompt
from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import Message, ModelIdentity, Request


def test_neither_the_prompt_nor_what_is_asked_for_is_told() -> None:
    schema = {"type": "object", "properties": {"verdict of the jury": {"type": "string"}, "reasons": {}}}
    tools = ({"name": "look_up_jury", "parameters": schema},)
    request = Request(ModelIdentity("echo", "e"), (Message("user", "secret words"),), schema=schema, tools=tools)
    written = canonical_bytes(request.canonical()).decode()
    told = without_prompt(written)
    for words in ("secret", "jury", "reasons", "look_up"):
        assert words in written
        assert words not in told
