"""The service that the clients ask: a process of its own, so cheap that it is never what is measured.

A bare asyncio protocol: it reads a request as far as its length and its row number, and answers after 50 ms (1 s for a
prompt that is marked as slow) with a chat completion as OpenAI's API gives it.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.workload import LATENCY_SECONDS, SLOW, SLOW_SECONDS, completion

ROOT = Path(__file__).resolve().parents[1]
_LENGTH = re.compile(rb"\r\ncontent-length:[ ]*(\d+)", re.IGNORECASE)
_ROW = re.compile(rb"row (\d+):")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req-%d\r\nContent-Length: %d\r\n\r\n"


class Service:
    """The service in a process of its own, as a context manager.

    Attributes:
        url: The base URL of its API.
    """

    def __init__(self) -> None:
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Service:
        command = [sys.executable, "-m", "benchmarks.service"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


class _Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(received, 0, end + 2)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(received) < whole:
                break
            self._take(received[end + 4 : whole])
            received = received[whole:]
        self._received = received

    def _take(self, body: bytes) -> None:
        row = _ROW.search(body)
        number = int(row[1]) if row else 0
        seconds = SLOW_SECONDS if SLOW.encode() in body else LATENCY_SECONDS
        self._loop.call_later(seconds, self._answer, number)

    def _answer(self, number: int) -> None:
        if self._transport is not None and not self._transport.is_closing():
            reply = completion(number)
            self._transport.write(_HEAD % (number, len(reply)) + reply)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(loop), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
