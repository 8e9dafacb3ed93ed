from __future__ import annotations

import json
import subprocess
import sys
import time
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from aiohttp import web

from tests.wire import WireServer

CHAT = "/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def post(url: str, body: dict) -> dict:
    with urlopen(Request(url, json.dumps(body).encode(), {"content-type": "application/json"}), timeout=10) as reply:
        return json.load(reply)


def test_equal_prompts_get_equal_replies_and_all_are_recorded() -> None:
    with WireServer() as server:
        first, second = (post(server.openai_url + "/chat/completions", BODY)["choices"] for _ in range(2))
        assert first == second
        assert server.count == 2
        assert server.last.body == BODY


def get(url: str) -> dict:
    with urlopen(url, timeout=10) as reply:
        return json.load(reply)


def test_each_wire_format_has_its_path() -> None:
    with WireServer() as server:
        told = {
            "/v1/chat/completions": "chat.completion",
            "/openai/v1/chat/completions": "chat.completion",
            "/openai/deployments/d/chat/completions": "chat.completion",
            "/v1/completions": "text_completion",
            "/v1/responses": "response",
            "/v1/embeddings": "list",
        }
        for path, kind in told.items():
            reply = post(server.url + path, {"model": "m", "prompt": "x", "input": "x", "messages": BODY["messages"]})
            assert reply["object"] == kind
        assert post(server.url + "/v1/messages", BODY)["type"] == "message"
        assert [recorded.path for recorded in server.requests][:-1] == list(told)


def test_models_are_told_of_and_not_counted() -> None:
    with WireServer() as server:
        server.models["m"] = {"max_model_len": 8}
        assert get(server.url + "/v1/models")["data"] == [{"id": "m", "object": "model", "max_model_len": 8}]
        assert get(server.url + "/v1/models/m")["max_model_len"] == 8
        assert (server.count, server.looks) == (0, ["/v1/models", "/v1/models/m"])


def test_further_routes_are_served_beside_its_own() -> None:
    def routes(server: WireServer) -> list[web.RouteDef]:
        async def count(_: web.Request) -> web.Response:
            return web.json_response({"count": server.count})

        return [web.get("/v1/batches", count)]

    with WireServer(extra_routes=routes) as server:
        post(server.url + CHAT, BODY)
        assert get(server.url + "/v1/batches") == {"count": 1}


def test_a_fault_may_meet_each_nth_call() -> None:
    with WireServer() as server:
        server.fail(status=500, every=3)
        met = 0
        for _ in range(9):
            try:
                post(server.url + CHAT, BODY)
            except HTTPError as error:
                met += error.code == 500
        assert met == 3


def test_half_a_reply_is_shorter_than_it_says() -> None:
    with WireServer() as server:
        server.fail("half")
        with pytest.raises(IncompleteRead):
            post(server.url + CHAT, BODY)


def test_a_dead_server_refuses_connections_and_comes_back_at_the_same_port() -> None:
    with WireServer() as server:
        port = server.port
        server.fail("die", times=1, seconds=0.4)
        with pytest.raises((RemoteDisconnected, ConnectionError)):
            post(server.url + CHAT, BODY)
        time.sleep(0.1)
        with pytest.raises(URLError, match="refused"):
            post(server.url + CHAT, BODY)
        time.sleep(0.6)
        assert post(server.url + CHAT, BODY)["object"] == "chat.completion"
        assert (server.port, server.count) == (port, 2)


def test_facts_of_a_reply_are_set_by_the_prompt() -> None:
    with WireServer() as server:
        server.tell("hell", refusal="No.", finish_reason="stop")
        assert post(server.url + CHAT, BODY)["choices"][0]["message"]["refusal"] == "No."
        assert post(server.url + "/v1/messages", BODY)["stop_reason"] == "refusal"


def test_a_process_writes_its_port_and_counts_the_calls(tmp_path: Path) -> None:
    port_file, count_file = tmp_path / "port", tmp_path / "count"
    command = [
        sys.executable,
        "-m",
        "tests.wire.server",
        "--port-file",
        str(port_file),
        "--count-file",
        str(count_file),
    ]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            until = time.monotonic() + 30
            while not port_file.exists() and time.monotonic() < until:
                time.sleep(0.02)
            url = f"http://127.0.0.1:{port_file.read_text()}"
            assert count_file.read_text() == "0"
            post(url + "/control", {"reply": ["hell", "fixed"]})
            assert post(url + "/v1/messages", BODY)["content"][0]["text"] == "fixed"
            assert count_file.read_text() == "1"
            with urlopen(url + "/record", timeout=10) as record:
                assert json.load(record)[0]["body"] == BODY
        finally:
            process.terminate()
