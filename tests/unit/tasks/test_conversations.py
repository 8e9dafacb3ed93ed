"""A task of one's own holds conversations and lets models call tools, and every turn is paid for once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamsmk.calls import CachedModel, SqliteCallCache
from dreamsmk.providers import resolve_identity
from dreamsmk.requests import Failure, Image, Message, Request, Response
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer

ADD = {
    "name": "add",
    "description": "Adds two whole numbers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 20}, "b": {"type": "integer", "minimum": 3}},
    },
}


def use_tools(request: Request, response: Response, earlier: int) -> Request | Failure | None:
    """Carries out the calls of a reply and goes on with the conversation: a judge."""
    if not response.tool_calls:
        return None
    if earlier >= 3:
        return Failure("other", "it never stops calling tools", response=response)
    answers = [
        Message("tool", str(sum(json.loads(call.arguments).values())), tool_call_id=call.id)
        for call in response.tool_calls
    ]
    turn = Message("assistant", response.text, tool_calls=response.tool_calls)
    return dataclasses.replace(request, messages=(*request.messages, turn, *answers))


@pytest.fixture(params=["openai", "anthropic"])
def model(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CachedModel]:
    """A model of either service."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    with WireServer() as server, SqliteCallCache(tmp_path / "calls.db") as cache:
        url = server.openai_url if request.param == "openai" else server.url
        spec = ModelSpec(provider=request.param, model="m", base_url=url, max_retries=0)
        asked = CachedModel("m", spec, resolve_identity(spec, lambda folder: ""), cache)
        asked.server = server  # type: ignore[attr-defined]  # for the tests to count its calls
        yield asked
        asked.close()


def test_a_tool_is_called_and_its_answer_goes_back(model: CachedModel) -> None:
    server: WireServer = model.server  # type: ignore[attr-defined]
    for _ in range(2):
        requests = model.requests(["What does add give for 20 and 3?", "Say hello."], tools=[ADD])
        first, second = model.outcomes(requests, judge=use_tools)
        assert isinstance(first, Response)
        assert isinstance(second, Response)
        assert not first.tool_calls
        assert "Say hello." in second.text
        assert server.count == 3, "the second time every turn is in the cache"
    assert "23" in json.dumps(server.requests[-1].body) or "23" in json.dumps(server.requests[-2].body)


def test_a_conversation_is_put_to_the_model_as_it_is(model: CachedModel, tmp_path: Path) -> None:
    server: WireServer = model.server  # type: ignore[attr-defined]
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\npixels")
    turns = [
        Message("user", "What is this?", images=(Image.of(picture),)),
        Message("assistant", "A picture."),
        Message("user", "Of what?"),
    ]
    (reply,) = model.outcomes(model.requests([turns], system="Be brief."))
    assert isinstance(reply, Response)
    sent = json.dumps(server.last.body)
    assert [part in sent for part in ("What is this?", "A picture.", "Of what?", "Be brief.", "image/png")] == [
        True
    ] * 5
