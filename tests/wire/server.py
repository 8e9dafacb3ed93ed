"""A server on 127.0.0.1 that counts, records and answers model calls, in a thread or as a process of its own.

In a test:

    with WireServer() as server:
        server.fail("status", status=429, times=2, retry_after="0")
        ... base_url=server.openai_url ...
        assert server.count == 3

As a process: `python -m tests.wire.server --port 0 --port-file F --count-file F`. The port file holds the port as soon
as the server listens, the count file the number of model calls so far. Faults and fixed replies are set with
`POST /control {"fail": {"kind": "status", "status": 429, "times": 2}, "reply": ["contains", "text"], "clear": true}`
(each of the three may be missing), and `GET /record` gives all recorded calls.

It speaks OpenAI's chat completions, responses, text completions and embeddings under `/v1`, `/openai/v1` and
`/openai/deployments/NAME` (Azure), Anthropic's messages under `/v1`, and tells of models under `/v1/models`. Replies
follow what is asked for: a JSON Schema, a tool that must be called or that the prompt names, log probabilities, images.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.wire.answers import Rules, Script
from tests.wire.asked import last_user_message
from tests.wire.faults import Fault, Kind, fail
from tests.wire.formats import id_header, reply_to

# What serves further paths: made by a function of the server, such as `tests.wire.batches:routes`.
Routes = Sequence[web.RouteDef]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One model call as it came in; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    query: Mapping[str, str] = field(default_factory=dict)


# Where model calls are posted to.
PREFIXES = ("/v1", "/openai/v1", "/openai/deployments/{deployment}")
ENDS = ("/chat/completions", "/responses", "/completions", "/embeddings")


class WireServer:
    """The server; as a context manager it runs in a thread.

    Attributes:
        requests: The model calls so far, those that failed included.
        faults: The ways to fail; the first one that meets a prompt counts.
        script: What replies are made by.
        models: What `GET /v1/models` tells of each model, by its id.
        looks: The paths that were asked for with GET.
        latency_seconds: How long every reply takes.
        peak: The most model calls that were in flight at once.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        count_file: Path | None = None,
        extra_routes: Callable[[WireServer], Routes] | None = None,
    ) -> None:
        self.port = port
        self._extra_routes = extra_routes
        self.requests: list[Recorded] = []
        self.faults: list[Fault] = []
        self.script = Script()
        self.models: dict[str, dict[str, Any]] = {}
        self.looks: list[str] = []
        self.latency_seconds = 0.0
        self.peak = 0
        self._in_flight = 0
        self._count_file = count_file
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._dying: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """What a model spec of the provider `openai` has as its `base_url`."""
        return f"{self.url}/v1"

    @property
    def rules(self) -> Rules:
        """Fixed replies: a text that the prompt holds, and what is answered (None: a reply without content)."""
        return self.script.rules

    @property
    def count(self) -> int:
        return len(self.requests)

    @property
    def last(self) -> Recorded:
        return self.requests[-1]

    def fail(self, kind: Kind = "status", **values: Any) -> None:
        """Makes requests fail from now on; see `Fault`."""
        self.faults.append(Fault(kind=kind, **values))

    def reply(self, contains: str, text: str | None) -> None:
        """Answers prompts that hold a text with a fixed one."""
        self.rules.append((contains, text))

    def tell(self, contains: str, **facts: Any) -> None:
        """Lets replies to prompts that hold a text have `refusal`, `reasoning` or `finish_reason`; see `Answer`."""
        self.script.facts.append((contains, facts))

    def die(self, seconds: float) -> None:
        """Drops all connections and refuses new ones for a while; returns when it is dead."""
        assert self._loop is not None
        died: Future[None] = Future()
        self._loop.call_soon_threadsafe(lambda: self._start_dying(seconds, died))
        died.result(timeout=10)

    def clear(self) -> None:
        """Forgets faults, rules, models and recorded calls."""
        self.faults.clear()
        self.script = Script()
        self.models.clear()
        self.looks.clear()
        self.requests.clear()
        self.peak = 0
        self.latency_seconds = 0.0

    def __enter__(self) -> WireServer:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(started.set_result)), daemon=True)
        self._thread.start()
        started.result(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(timeout=10)

    async def serve(self, started: Callable[[None], None]) -> None:
        """Serves until `__exit__`; calls `started` when the port is known."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=2**28)
        for path in ("/v1/messages", *(prefix + end for prefix in PREFIXES for end in ENDS)):
            app.router.add_post(path, self._model_call)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/v1/models/{id:.+}", self._show_model)
        app.router.add_post("/control", self._control)
        app.router.add_get("/record", self._record)
        if self._extra_routes is not None:
            app.router.add_routes(self._extra_routes(self))
        self._runner = runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await self._listen()
            started(None)
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    def _start_dying(self, seconds: float, died: Future[None] | None = None) -> None:
        self._dying = asyncio.create_task(self._die(seconds, died))

    async def _die(self, seconds: float, died: Future[None] | None) -> None:
        if self._site is None or self._runner is None or self._runner.server is None:
            return
        site, self._site = self._site, None
        await site.stop()
        for connection in list(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if died is not None:
            died.set_result(None)
        await asyncio.sleep(seconds)
        await self._listen()

    async def _model_call(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Recorded(request.path, headers, body, dict(request.query)))
        number = self.count
        if self._count_file is not None:
            _write(self._count_file, str(number))
        self._in_flight += 1
        self.peak = max(self.peak, self._in_flight)
        try:
            return await self._answer(request, body, number)
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request, body: dict[str, Any], number: int) -> web.StreamResponse:
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        prompt = last_user_message(body)
        fault = next((fault for fault in self.faults if fault.hits(prompt)), None)
        if fault is not None and fault.kind == "die":
            self._start_dying(fault.seconds)
        failed = await fail(fault, request) if fault is not None and fault.kind != "mistyped" else None
        if failed is not None:
            return failed
        reply = web.json_response(reply_to(request.path, body, self.script, number))
        reply.headers[id_header(request.path)] = f"req-{number}"
        if fault is not None and fault.kind == "mistyped":
            reply.content_type = "text/html"
        return reply

    async def _list_models(self, request: web.Request) -> web.Response:
        self.looks.append(request.path)
        data = [{"id": name, "object": "model", **facts} for name, facts in self.models.items()]
        return web.json_response({"object": "list", "data": data})

    async def _show_model(self, request: web.Request) -> web.Response:
        self.looks.append(request.path)
        name = request.match_info["id"]
        if name not in self.models:
            return web.json_response({"error": {"message": "no such model"}}, status=404)
        return web.json_response({"id": name, "type": "model", **self.models[name]})

    async def _control(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        if wanted.get("clear"):
            self.clear()
        if "fail" in wanted:
            self.fail(**wanted["fail"])
        if "reply" in wanted:
            self.reply(*wanted["reply"])
        self.latency_seconds = wanted.get("latency_seconds", self.latency_seconds)
        return web.json_response({"count": self.count})

    async def _record(self, request: web.Request) -> web.Response:
        return web.json_response([dataclasses.asdict(recorded) for recorded in self.requests])


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text)
    temporary.replace(path)


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--count-file", type=Path)
    parser.add_argument("--routes", help="further routes: module:function")
    given = parser.parse_args()
    routes = None
    if given.routes is not None:
        module, _, name = given.routes.partition(":")
        routes = getattr(importlib.import_module(module), name)
    server = WireServer(port=given.port, count_file=given.count_file, extra_routes=routes)

    def started(_: None) -> None:
        if given.count_file is not None:
            _write(given.count_file, "0")
        if given.port_file is not None:
            _write(given.port_file, str(server.port))

    asyncio.run(server.serve(started))


if __name__ == "__main__":
    main()
