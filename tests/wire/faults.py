"""The ways in which the wire server can fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

Kind = Literal["status", "reset", "garbage", "html", "empty", "slow", "half", "mistyped", "hang", "die"]

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


@dataclass(slots=True)
class Fault:
    """One way to fail.

    `status` answers with an error body; `reset` drops the connection; `garbage` sends broken JSON as JSON, `html` a
    page, `empty` a JSON object without a reply; `slow` waits `seconds` and then answers as usual; `half` breaks off in
    the middle of the body; `mistyped` sends the usual reply as a page; `hang` never answers; `die` drops all
    connections and refuses new ones for `seconds`.

    Attributes:
        times: How often it happens; for ever by default.
        every: Only each n-th prompt that it could meet is met.
        contains: Only prompts that hold this are met.
    """

    kind: Kind = "status"
    status: int = 500
    times: int | None = None
    contains: str = ""
    retry_after: str | None = None
    retry_after_ms: str | None = None
    seconds: float = 0.5
    message: str = "this is a test"
    code: str | None = None
    every: int = 1
    passed: int = 0

    def hits(self, prompt: str) -> bool:
        """Whether this fault meets a prompt; counts down `times` if so."""
        if self.contains not in prompt or self.times == 0:
            return False
        self.passed += 1
        if self.passed % self.every:
            return False
        if self.times is not None:
            self.times -= 1
        return True


async def fail(fault: Fault, request: web.Request) -> web.StreamResponse | None:
    """Fails in one way; None where the request is to be answered after all."""
    if fault.kind in {"slow", "hang"}:
        await asyncio.sleep(fault.seconds if fault.kind == "slow" else 3600)
        return None
    if fault.kind == "half":
        return await _half(request)
    if fault.kind in {"reset", "die"}:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    if fault.kind != "status":
        return _no_reply(fault)
    given = {"retry-after": fault.retry_after, "retry-after-ms": fault.retry_after_ms}
    error = {"message": fault.message, "type": ERROR_TYPES.get(fault.status, "api_error"), "code": fault.code}
    return web.json_response(
        {"type": "error", "error": error},
        status=fault.status,
        headers={name: value for name, value in given.items() if value is not None},
    )


def _no_reply(fault: Fault) -> web.Response:
    if fault.kind == "garbage":
        return web.Response(text='{"choices": [', content_type="application/json")
    if fault.kind == "html":
        return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
    return web.json_response({"error": {"message": fault.message}})


async def _half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json", "content-length": "500"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"index": 0, "message": {"role": "assi')
    if request.transport is not None:
        request.transport.close()
    return response
