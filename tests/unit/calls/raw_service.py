"""A chat service below HTTP: it answers, breaks off in the middle of a reply or hangs, and notes when it did what."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

# What becomes of an attempt: an answer, half of one with its length or in chunks, or nothing at all.
Fate = Literal["whole", "half", "half chunked", "hang"]


@dataclass(slots=True)
class Asked:
    """One request as it came in; times are those of `time.time`."""

    prompt: str
    asked_at: float
    answered_at: float | None = None


def text_to(prompt: str) -> str:
    """Returns what the service answers."""
    return f"re: {prompt} {'x' * 200}"


class RawService:
    """The service, in a thread; as a context manager.

    Args:
        fate: What becomes of a prompt's attempt, counted from 1.
        latency_seconds: How long a reply takes.
        body: What is answered to a prompt; a chat completion by default.

    Attributes:
        asked: The requests so far.
    """

    def __init__(
        self,
        fate: Callable[[str, int], Fate] = lambda prompt, attempt: "whole",
        *,
        latency_seconds: float = 0.0,
        body: Callable[[str], bytes] | None = None,
    ) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._fate = fate
        self._attempts: dict[str, int] = {}
        self._latency_seconds = latency_seconds
        self._body = body or completion
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> RawService:
        self._thread.start()
        started: Future[int] = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self.url = f"http://127.0.0.1:{started.result(timeout=10)}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; false where the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split()[0])
        body = json.loads(await reader.readexactly(length))
        asked = Asked(body["messages"][-1]["content"], time.time())
        self.asked.append(asked)
        attempt = self._attempts[asked.prompt] = self._attempts.get(asked.prompt, 0) + 1
        fate = self._fate(asked.prompt, attempt)
        if fate == "hang":
            await reader.read()  # until the client gives up
            return False
        await asyncio.sleep(self._latency_seconds)
        reply = self._body(asked.prompt)
        if fate == "half chunked":
            start = b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(reply) + reply[: len(reply) // 2]
        else:
            start = b"Content-Length: %d\r\n\r\n" % len(reply) + (
                reply if fate == "whole" else reply[: len(reply) // 2]
            )
        asked.answered_at = time.time() if fate == "whole" else None
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + start)
        await writer.drain()
        return fate == "whole"


def completion(prompt: str) -> bytes:
    """Returns a chat completion."""
    message = {"role": "assistant", "content": text_to(prompt)}
    value = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-test-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return json.dumps(value).encode()
