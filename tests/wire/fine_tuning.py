"""OpenAI's files and fine-tuning jobs on the wire server.

In a test:

    tuning = FineTuningApi()
    with WireServer(extra_routes=tuning.routes) as server:
        tuning.seconds = 0.5             # how long a job takes
        tuning.slow["create"] = 0.2      # a stage that takes its time
        ... base_url=server.openai_url ...
        assert len(tuning.jobs) == 1

A job goes through the states of the real service by the clock. Its files are checked as the service checks them, once
the job is there: one that is wrong makes the job fail. A model that was trained is among the server's models.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.wire.tuning_jobs import Job, Json, check_rows, events_of, results_of

if TYPE_CHECKING:
    from tests.wire.server import WireServer

KEY_IN_WORDS = "{key}"


@dataclass(slots=True)
class File:
    """A file at the service."""

    id: str
    name: str
    purpose: str
    content: bytes
    created_at: int


@dataclass
class FineTuningApi:
    """Files and jobs, and what they have seen.

    Attributes:
        seconds: How long a job takes.
        slow: How long stages take, before and after they do what they do: `upload`, `create`, `look`, `events`, …
        refuse: What `create` answers instead: statuses, one a request. With `-500` the job is accepted all the same.
        problem: What every further job fails with: `code`, `message`, `param`; the key stands for `{key}` in it.
        lag_seconds: How long a job takes to stand in the list.
        is_plain: Whether the result file is plain CSV, rather than base64.
        has_results: Whether there is a result file.
        knows_metadata: Whether metadata are kept and filtered by; servers that speak like OpenAI may do neither.
        keeps_models: Whether models that were trained are among the server's models.
        broken: Stages that answer 500.
        seen: How often each stage was asked for.
        files: What lies at the service, by id.
        uploaded: Every file that ever was uploaded.
        deleted: The ids of files that were deleted.
        jobs: Every job, the oldest first.
        cancelled: How many jobs somebody asked to cancel.
    """

    seconds: float = 0.0
    slow: dict[str, float] = field(default_factory=dict)
    refuse: list[int] = field(default_factory=list)
    problem: Json | None = None
    lag_seconds: float = 0.0
    is_plain: bool = False
    has_results: bool = True
    knows_metadata: bool = True
    keeps_models: bool = True
    broken: set[str] = field(default_factory=set)
    page: int = 100
    seen: Counter[str] = field(default_factory=Counter)
    files: dict[str, File] = field(default_factory=dict)
    uploaded: list[File] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    cancelled: int = 0
    server: WireServer | None = None

    def routes(self, server: WireServer) -> list[web.RouteDef]:
        """Returns the paths, which belong to one server."""
        self.server = server
        jobs = "/v1/fine_tuning/jobs"
        return [
            web.post("/v1/files", self._staged("upload", self._upload)),
            web.get("/v1/files", self._staged("files", self._list_files)),
            web.get("/v1/files/{id}", self._staged("file", self._show_file)),
            web.delete("/v1/files/{id}", self._staged("delete", self._delete_file)),
            web.get("/v1/files/{id}/content", self._staged("results", self._content)),
            web.post(jobs, self._staged("create", self._create)),
            web.get(jobs, self._staged("list", self._list_jobs)),
            web.get(jobs + "/{id}", self._staged("look", self._show_job)),
            web.post(jobs + "/{id}/cancel", self._staged("cancel", self._cancel)),
            web.get(jobs + "/{id}/events", self._staged("events", self._list_events)),
        ]

    def rows(self, role: str, number: int = -1) -> list[Json]:
        """Returns the rows of an uploaded file, by the end of its name."""
        files = [file for file in self.uploaded if file.name.endswith(f"-{role}.jsonl")]
        return [json.loads(line) for line in files[number].content.splitlines()]

    def _staged(self, stage: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.seen[stage] += 1
            if stage in self.broken:
                return web.Response(text=_error("it broke"), status=500, content_type="application/json")
            if request.content_type == "application/json":
                await request.read()  # a request that is here counts, though its client may be gone
            await asyncio.sleep(self.slow.get(stage, 0.0) / 2)
            response: web.StreamResponse = await handler(request)
            await asyncio.sleep(self.slow.get(stage, 0.0) / 2)
            return response

        return handle

    # Files.

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        sent = form["file"]
        assert isinstance(sent, web.FileField)
        file = self._keep(sent.filename, str(form["purpose"]), sent.file.read())
        self.uploaded.append(file)
        return web.json_response(_file_json(file))

    def _keep(self, name: str, purpose: str, content: bytes) -> File:
        file = File(f"file-{uuid.uuid4().hex[:12]}", name, purpose, content, int(time.time()))
        self.files[file.id] = file
        return file

    async def _list_files(self, request: web.Request) -> web.Response:
        purpose = request.query.get("purpose")
        found = [file for file in reversed(self.files.values()) if purpose in (None, file.purpose)]
        return self._page(request, [_file_json(file) for file in found])

    async def _show_file(self, request: web.Request) -> web.Response:
        return web.json_response(_file_json(self._file(request)))

    async def _delete_file(self, request: web.Request) -> web.Response:
        file = self._file(request)
        del self.files[file.id]
        self.deleted.append(file.id)
        return web.json_response({"id": file.id, "object": "file", "deleted": True})

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self._file(request).content, content_type="application/octet-stream")

    def _file(self, request: web.Request) -> File:
        name = request.match_info["id"]
        if name not in self.files:
            raise web.HTTPNotFound(text=_error(f"No such File object: {name}", "id"), content_type="application/json")
        return self.files[name]

    # Jobs.

    async def _create(self, request: web.Request) -> web.Response:
        status = self.refuse.pop(0) if self.refuse else None
        if status is not None and status > 0:
            words = f"not now, {request.headers['Authorization']}"
            return web.Response(text=_error(words), status=status, content_type="application/json")
        body = await request.json()
        for name in ("training_file", "validation_file"):
            if body.get(name) is not None and body[name] not in self.files:
                words = _error(f"File '{body[name]}' could not be found", name)
                return web.Response(text=words, status=400, content_type="application/json")
        lines = self.files[body["training_file"]].content.splitlines()
        problem = self.problem or check_rows(lines, body.get("method") or {})
        if problem is not None:
            key = request.headers["Authorization"].removeprefix("Bearer ")
            problem = {**problem, "message": problem["message"].replace(KEY_IN_WORDS, key)}
        if not self.knows_metadata:
            body.pop("metadata", None)
        job = Job(
            f"ftjob-{uuid.uuid4().hex[:12]}",
            body,
            int(time.time()),
            time.monotonic(),
            self.seconds,
            len(lines),
            sum(map(len, lines)),
            problem,
        )
        self.jobs.append(job)
        if status is not None:
            return web.Response(text=_error("it broke"), status=-status, content_type="application/json")
        return web.json_response(self._job_json(job))

    async def _show_job(self, request: web.Request) -> web.Response:
        return web.json_response(self._job_json(self._job(request)))

    async def _list_jobs(self, request: web.Request) -> web.Response:
        wanted = {
            name[len("metadata[") : -1]: value for name, value in request.query.items() if name.startswith("metadata[")
        }
        now = time.monotonic()
        found = [job for job in reversed(self.jobs) if now - job.begun >= self.lag_seconds]
        if self.knows_metadata:
            found = [job for job in found if wanted.items() <= (job.asked.get("metadata") or {}).items()]
        return self._page(request, [self._job_json(job) for job in found])

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self._job(request)
        self.cancelled += 1
        job.is_cancelled = True
        return web.json_response(self._job_json(job))

    async def _list_events(self, request: web.Request) -> web.Response:
        return self._page(request, list(reversed(events_of(self._job(request)))))

    def _job(self, request: web.Request) -> Job:
        found = [job for job in self.jobs if job.id == request.match_info["id"]]
        if not found:
            words = _error(f"Could not find fine tune: {request.match_info['id']}", "fine_tune_id")
            raise web.HTTPNotFound(text=words, content_type="application/json")
        return found[0]

    def _page(self, request: web.Request, entries: list[Json]) -> web.Response:
        ids = [entry["id"] for entry in entries]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        shown = entries[start : start + min(self.page, int(request.query.get("limit", 20)))]
        has_more = start + len(shown) < len(entries)
        return web.json_response({"object": "list", "data": shown, "has_more": has_more})

    def _job_json(self, job: Job) -> Json:
        assert self.server is not None
        status, method = job.status, job.asked.get("method") or {"type": "supervised"}
        is_done = status == "succeeded"
        if is_done and self.keeps_models:
            self.server.models[job.model] = {"owned_by": "my-org"}
        given = (method.get(method["type"]) or {}).get("hyperparameters") or {}
        chosen = {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 1.8}
        chosen |= {"beta": 0.1} if method["type"] == "dpo" else {}
        resolved = dict.fromkeys(chosen, "auto") | given if status == "validating_files" else chosen | given
        results = self._result_files(job) if is_done and self.has_results else []
        return {
            "object": "fine_tuning.job",
            "id": job.id,
            "model": job.asked["model"],
            "created_at": job.created_at,
            "finished_at": int(time.time()) if is_done else None,
            "fine_tuned_model": job.model if is_done else None,
            "organization_id": "org-1",
            "result_files": results,
            "status": status,
            "validation_file": job.asked.get("validation_file"),
            "training_file": job.asked["training_file"],
            "hyperparameters": {name: value for name, value in resolved.items() if name != "beta"},
            "method": {"type": method["type"], method["type"]: {"hyperparameters": resolved}},
            "trained_tokens": job.tokens if is_done else None,
            "error": job.problem if status == "failed" else {},
            "seed": job.asked.get("seed", 8901),
            "metadata": job.asked.get("metadata"),
            "user_provided_suffix": job.asked.get("suffix"),
            "estimated_finish": None,
            "integrations": [],
        }

    def _result_files(self, job: Job) -> list[str]:
        name = f"{job.id}-results.csv"
        known = [file.id for file in self.files.values() if file.name == name]
        if known:
            return known
        content = results_of(job).encode()
        kept = self._keep(name, "fine-tune-results", content if self.is_plain else base64.b64encode(content))
        return [kept.id]


def routes(server: WireServer) -> list[web.RouteDef]:
    """Returns the paths, for `python -m tests.wire.server --routes tests.wire.fine_tuning:routes`."""
    return FineTuningApi().routes(server)


def _file_json(file: File) -> Json:
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.name,
        "bytes": len(file.content),
        "created_at": file.created_at,
        "status": "processed",
        "status_details": None,
    }


def _error(message: str, param: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}})
