"""A batch asks what live calls ask and reads what they read: the same rows in the cache, whichever way they came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dreamsmk.calls import SqliteCallCache, answer
from dreamsmk.calls.background import background_loop
from dreamsmk.providers import ServiceProvider, open_provider, resolve_identity
from dreamsmk.providers.batches import custom_id
from dreamsmk.requests import Message, Request, Sampling
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.asking import KEY
from tests.wire.batches import BatchApis

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOL = {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}
# What differs from one reply to the same question to the next.
OF_THE_CALL = ("created_at", "latency_seconds", "request_id")

CASES = [
    pytest.param({"provider": "openai"}, id="openai-chat"),
    pytest.param({"provider": "openai", "api": "responses"}, id="openai-responses"),
    pytest.param({"provider": "openai", "api": "completions"}, id="openai-completions"),
    pytest.param({"provider": "openai", "wanted": "embedding"}, id="openai-embeddings"),
    pytest.param({"provider": "anthropic"}, id="anthropic"),
]


def requests_of(spec: ModelSpec, wanted: Any) -> list[Request]:
    model = resolve_identity(spec, str)
    if wanted:
        return [Request(model, (Message("user", f"text {i}"),), wanted=wanted) for i in range(3)]
    sampling = Sampling(temperature=0.5, max_tokens=20)
    plain = [Request(model, (Message("user", f"prompt {i}"),), sampling) for i in range(3)]
    if spec.api == "completions":
        return plain
    asked = (Message("system", "Be kind."), Message("user", "Look at é\u2028 \U0001f600"))
    schema = Request(model, asked, Sampling(max_tokens=20, extra={"service_tier": "x"}), schema=SCHEMA)
    return [*plain, schema, Request(model, asked, tools=(TOOL,), tool_choice="required")]


def asked(folder: Path, spec: ModelSpec, requests: list[Request]) -> dict[str, dict[str, Any]]:
    """Returns the rows of the cache after a run."""
    provider = open_provider(spec)
    assert isinstance(provider, ServiceProvider)
    with SqliteCallCache(folder / f"{spec.mode}.db") as cache:
        assert len(list(answer(provider, cache, requests, batches=folder / "batches.db"))) == len(requests)
        rows = {row.key: row for row in cache.rows()}
    background_loop().run(provider.close())
    found = {}
    for key, row in rows.items():
        response = json.loads(row.response)
        found[key] = {
            "request": row.request,
            "response": {name: value for name, value in response.items() if name not in OF_THE_CALL},
            "model": row.model,
            "provider": row.provider,
        }
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_batch_gives_the_rows_that_live_calls_give(case, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    apis = BatchApis()
    with WireServer(extra_routes=apis.routes) as server:
        # one at a time: embeddings are gathered in live mode, and never in a batch
        values = {"model": "a-model", "max_concurrency": 1, **case}
        wanted = values.pop("wanted", None)
        url = server.openai_url if case["provider"] == "openai" else server.url
        live, batch = (ModelSpec(**values, base_url=url, mode=mode) for mode in ("live", "batch"))
        requests = requests_of(live, wanted)
        assert asked(tmp_path, batch, requests) == asked(tmp_path, live, requests)
        sent = sorted(json.dumps(body, sort_keys=True) for body in apis.bodies.values())
        if not wanted:
            assert sent == sorted(json.dumps(recorded.body, sort_keys=True) for recorded in server.requests)
        assert set(apis.bodies) == {custom_id(request.key()) for request in requests}
