from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

from tests.wire import WireServer

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
