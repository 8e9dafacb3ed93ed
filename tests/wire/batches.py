"""The batch APIs on the wire server: OpenAI's files and batches, Anthropic's message batches.

In a test:

    batches = BatchApis()
    with WireServer(extra_routes=batches.routes) as server:
        batches.seconds = 0.5            # how long a batch takes
        batches.slow["create"] = 0.2     # a stage that takes its time
        ... mode: batch ...
        assert batches.billed == {custom_id: 1, ...}

Each call of a batch is answered by the same function as a live call, and the server's faults of the kind `status` meet
it too. A call counts as billed when its batch is accepted, and not when it fails or expires.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.wire.asked import last_user_message
from tests.wire.faults import ERROR_TYPES
from tests.wire.formats import reply_to

if TYPE_CHECKING:
    from tests.wire.server import WireServer

Json = dict[str, Any]


@dataclass(slots=True)
class Batch:
    """A batch that was accepted.

    Attributes:
        ends_at: When it ends, by the monotonic clock.
        items: What each call came to: `("ok", reply)`, `("error", status, message)`, `("expired",)`.
        problem: Why the whole of it failed: a code and a message.
    """

    id: str
    created: datetime
    ends_at: float
    items: dict[str, tuple[Any, ...]]
    endpoint: str = ""
    input_id: str = ""
    metadata: Json | None = None
    problem: tuple[str, str] | None = None
    is_cancelled: bool = False

    @property
    def is_ended(self) -> bool:
        return time.monotonic() >= self.ends_at

    def count(self, kind: str) -> int:
        return sum(item[0] == kind for item in self.items.values())


@dataclass
class BatchApis:
    """Both batch APIs, and what they have seen.

    Attributes:
        seconds: How long a batch takes.
        slow: How long stages take, before and after they do what they do: `upload`, `create`, `look`, `results`.
        expired: Calls whose prompt holds one of these expire, each as many times.
        refuse: What `create` answers instead: statuses, one a request. With `-500` the batch is accepted all the same.
        problems: Code and message with which whole batches fail, one a batch (OpenAI).
        billed: How often each call was billed, by its custom id.
        bodies: The body of each call, by its custom id.
        seen: How often each stage was asked for.
        accepted: Every batch.
        page: The most batches in one page of the list.
    """

    seconds: float = 0.0
    slow: dict[str, float] = field(default_factory=dict)
    expired: Counter[str] = field(default_factory=Counter)
    refuse: list[int] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    billed: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, Json] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    accepted: list[Batch] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    page: int = 2
    server: WireServer | None = None

    def routes(self, server: WireServer) -> list[web.RouteDef]:
        """Returns the paths, for `WireServer(extra_routes=…)`."""
        self.server = server
        return [
            web.post("/v1/files", self._slowly("upload", self._upload)),
            web.get("/v1/files/{id}/content", self._slowly("results", self._content)),
            web.post("/v1/batches", self._slowly("create", self._create)),
            web.get("/v1/batches", self._slowly("list", self._list)),
            web.get("/v1/batches/{id}", self._slowly("look", self._show)),
            web.post("/v1/batches/{id}/cancel", self._slowly("cancel", self._cancel)),
            web.post("/v1/messages/batches", self._slowly("create", self._create_messages)),
            web.get("/v1/messages/batches", self._slowly("list", self._list_messages)),
            web.get("/v1/messages/batches/{id}", self._slowly("look", self._show_messages)),
            web.get("/v1/messages/batches/{id}/results", self._slowly("results", self._message_results)),
            web.post("/v1/messages/batches/{id}/cancel", self._slowly("cancel", self._cancel_messages)),
        ]

    def _slowly(self, stage: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.seen[stage] += 1
            await asyncio.sleep(self.slow.get(stage, 0.0) / 2)
            response: web.StreamResponse = await handler(request)
            await asyncio.sleep(self.slow.get(stage, 0.0) / 2)
            return response

        return handle

    # What both have in common.

    def _accept(self, prefix: str, calls: dict[str, tuple[str, Json]], **values: Any) -> Batch:
        """Accepts a batch of calls: the path and the body of each, by its custom id."""
        problem = self.problems.pop(0) if self.problems else None
        items = {} if problem else {name: self._run(name, *call) for name, call in calls.items()}
        seconds = 0.0 if problem else self.seconds
        batch = Batch(
            f"{prefix}{uuid.uuid4().hex[:12]}",
            datetime.now(UTC),
            time.monotonic() + seconds,
            items,
            problem=problem,
            **values,
        )
        self.accepted.append(batch)
        return batch

    def _run(self, name: str, path: str, body: Json) -> tuple[Any, ...]:
        assert self.server is not None
        self.bodies[name] = body
        prompt = last_user_message(body)
        for text in list(self.expired):
            if text in prompt and self.expired[text] > 0:
                self.expired[text] -= 1
                return ("expired",)
        fault = next((fault for fault in self.server.faults if fault.hits(prompt)), None)
        if fault is not None:
            return ("error", fault.status, fault.message)
        self.billed[name] += 1
        return ("ok", reply_to(path, body, self.server.script, len(self.billed)))

    def _end(self, batch: Batch) -> Batch:
        """Cancels a batch before its second half has been run."""
        batch.is_cancelled, batch.ends_at = True, time.monotonic()
        for name in list(batch.items)[len(batch.items) // 2 :]:
            batch.items[name] = ("canceled",)
            del self.billed[name]
        return batch

    def _refused(self) -> int | None:
        return self.refuse.pop(0) if self.refuse else None

    def _by_id(self, request: web.Request) -> Batch:
        found = [batch for batch in self.accepted if batch.id == request.match_info["id"]]
        if not found:
            raise web.HTTPNotFound(text=json.dumps(_error("not_found_error", "no such batch")))
        return found[0]

    def _page(self, request: web.Request, after: str, prefix: str) -> tuple[list[Batch], bool]:
        newest = [batch for batch in reversed(self.accepted) if batch.id.startswith(prefix)]
        ids = [batch.id for batch in newest]
        start = ids.index(request.query[after]) + 1 if after in request.query else 0
        shown = newest[start : start + min(self.page, int(request.query.get("limit", 20)))]
        return shown, start + len(shown) < len(newest)

    # OpenAI.

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert form["purpose"] == "batch"
        name = f"file-{len(self.files)}"
        self.files[name] = file.file.read()
        return web.json_response(
            {"id": name, "object": "file", "bytes": len(self.files[name]), "created_at": int(time.time()),
             "filename": file.filename, "purpose": "batch", "status": "processed"}
        )  # fmt: skip

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]], content_type="application/octet-stream")

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        status = self._refused()
        if status is not None and status > 0:
            return web.json_response(_error("refused", f"not now, {request.headers['Authorization']}"), status=status)
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert {line["url"] for line in lines} == {body["endpoint"]}
        calls = {line["custom_id"]: (line["url"], line["body"]) for line in lines}
        batch = self._accept(
            "batch_",
            calls,
            endpoint=body["endpoint"],
            input_id=body["input_file_id"],
            metadata=body.get("metadata"),
        )
        if status is not None:
            return web.json_response(_error("server_error", "it broke"), status=-status)
        return web.json_response(self._openai(batch))

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(self._openai(self._by_id(request)))

    async def _list(self, request: web.Request) -> web.Response:
        shown, has_more = self._page(request, "after", "batch_")
        data = [self._openai(batch) for batch in shown]
        return web.json_response({"object": "list", "data": data, "has_more": has_more})

    async def _cancel(self, request: web.Request) -> web.Response:
        return web.json_response(self._openai(self._end(self._by_id(request))))

    def _openai(self, batch: Batch) -> Json:
        ended, done, failed = batch.is_ended, batch.count("ok"), batch.count("error") + batch.count("expired")
        status = "in_progress"
        if ended:
            status = "cancelled" if batch.is_cancelled else "expired" if batch.count("expired") else "completed"
            self.files[f"out-{batch.id}"] = _lines(_openai_line(k, i) for k, i in batch.items.items() if i[0] == "ok")
            self.files[f"err-{batch.id}"] = _lines(_openai_line(k, i) for k, i in batch.items.items() if i[0] != "ok")
        errors = None
        if batch.problem:
            status, (code, message) = "failed", batch.problem
            errors = {"object": "list", "data": [{"code": code, "message": message, "line": 1, "param": None}]}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.endpoint,
            "errors": errors,
            "input_file_id": batch.input_id,
            "completion_window": "24h",
            "status": status,
            "output_file_id": f"out-{batch.id}" if ended and done else None,
            "error_file_id": f"err-{batch.id}" if ended and failed else None,
            "created_at": int(batch.created.timestamp()),
            "request_counts": {
                "total": len(batch.items),
                "completed": done if ended else 0,
                "failed": failed if ended else 0,
            },
            "metadata": batch.metadata,
        }

    # Anthropic.

    async def _create_messages(self, request: web.Request) -> web.Response:
        requests = (await request.json())["requests"]
        status = self._refused()
        if status is not None and status > 0:
            return web.json_response(
                _error("rate_limit_error", f"not now, {request.headers['Authorization']}"), status=status
            )
        assert all(len(item["custom_id"]) <= 64 for item in requests)
        batch = self._accept("msgbatch_", {item["custom_id"]: ("/v1/messages", item["params"]) for item in requests})
        if status is not None:
            return web.json_response(_error("api_error", "it broke"), status=-status)
        return web.json_response(self._message_batch(batch))

    async def _show_messages(self, request: web.Request) -> web.Response:
        return web.json_response(self._message_batch(self._by_id(request)))

    async def _list_messages(self, request: web.Request) -> web.Response:
        shown, has_more = self._page(request, "after_id", "msgbatch_")
        data = [self._message_batch(batch) for batch in shown]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
        return web.json_response({"data": data, "has_more": has_more, **ends})

    async def _message_results(self, request: web.Request) -> web.Response:
        batch = self._by_id(request)
        # not in the order of the requests
        lines = _lines(_message_line(name, item) for name, item in reversed(batch.items.items()))
        return web.Response(body=lines, content_type="application/x-jsonl")

    async def _cancel_messages(self, request: web.Request) -> web.Response:
        return web.json_response(self._message_batch(self._end(self._by_id(request))))

    def _message_batch(self, batch: Batch) -> Json:
        assert self.server is not None
        ended = batch.is_ended
        kinds = {"succeeded": "ok", "errored": "error", "expired": "expired", "canceled": "canceled"}
        counts = {name: batch.count(kind) if ended else 0 for name, kind in kinds.items()}
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": {"processing": 0 if ended else len(batch.items), **counts},
            "created_at": batch.created.isoformat(),
            "expires_at": (batch.created + timedelta(days=1)).isoformat(),
            "ended_at": batch.created.isoformat() if ended else None,
            "archived_at": None,
            "cancel_initiated_at": batch.created.isoformat() if batch.is_cancelled else None,
            "results_url": f"{self.server.url}/v1/messages/batches/{batch.id}/results" if ended else None,
        }


def routes(server: WireServer) -> list[web.RouteDef]:
    """Returns the paths of both APIs, for `python -m tests.wire.server --routes tests.wire.batches:routes`."""
    return BatchApis().routes(server)


def _error(kind: str, message: str) -> Json:
    return {"type": "error", "error": {"type": kind, "message": message, "code": kind}}


def _lines(items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def _openai_line(name: str, item: tuple[Any, ...]) -> Json:
    line: Json = {"id": f"batch_req_{name[:8]}", "custom_id": name, "response": None, "error": None}
    if item[0] == "ok":
        line["response"] = {"status_code": 200, "request_id": f"req-{name[:8]}", "body": item[1]}
    elif item[0] == "error":
        body = _error(ERROR_TYPES.get(item[1], "api_error"), item[2])
        line["response"] = {"status_code": item[1], "request_id": f"req-{name[:8]}", "body": {"error": body["error"]}}
    else:
        line["error"] = {"code": "batch_expired", "message": "the completion window was over"}
    return line


def _message_line(name: str, item: tuple[Any, ...]) -> Json:
    if item[0] == "ok":
        return {"custom_id": name, "result": {"type": "succeeded", "message": item[1]}}
    if item[0] == "error":
        error = _error(ERROR_TYPES.get(item[1], "api_error"), item[2])
        return {"custom_id": name, "result": {"type": "errored", "error": error}}
    return {"custom_id": name, "result": {"type": item[0]}}
