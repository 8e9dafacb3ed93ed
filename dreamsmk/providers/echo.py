"""The provider `echo`: answers without a model and without a network, for examples, dry runs and tests.

Contract: the reply is a pure function of the request. It is `Echo <8 digits of the key>: <last user message>`, or one
of `options: {replies: […]}`, chosen by the key; where a schema must be followed, a value that follows it; where a tool
must be called, a call of it; where an embedding is wanted, a vector; where labels are wanted, a score for each of
`options: {labels: […]}`. It honours `max_tokens` and `stop` with one word
as one token, and takes every other sampling value as part of the key.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from dreamsmk.errors import RequestRejected, ServiceUnavailable, SettingsError
from dreamsmk.hashing import digest_bytes
from dreamsmk.providers.base import Capabilities, ServiceProvider, check_options, check_request
from dreamsmk.providers.echo_values import echo_logprobs, echo_scores, echo_vector, follow
from dreamsmk.providers.replies import cut_at_stop, utc_now
from dreamsmk.requests import Request, Response, Sampling, ToolCall, Usage
from dreamsmk.requests.writing import RequestWriter
from dreamsmk.settings import ModelSpec, spec_fields

OPTIONS = ("fail_on", "labels", "latency_seconds", "replies")
TEXTS_AT_ONCE = 64


class EchoProvider(ServiceProvider):
    """Repeats the last user message.

    The options of the model spec are `replies` (the texts to answer with), `labels` (those that are scored where labels
    are wanted), `latency_seconds` (how long a reply takes) and `fail_on` (a text; a prompt that holds it is rejected).
    """

    keeps_time: ClassVar[bool] = True
    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset(f.name for f in dataclasses.fields(Sampling)),
        fields=frozenset(f.name for f in spec_fields("identity")) - {"api"},
        wanted=frozenset({"text", "embedding", "labels"}),
        has_tools=True,
        has_schema=True,
        has_images=True,
        roles=frozenset({"system", "user", "assistant", "tool"}),
    )

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Raises `SettingsError` for an unknown option, or one of a wrong type."""
        super().check(spec)
        check_options(spec, OPTIONS)
        for name in ("replies", "labels"):
            texts = spec.options.get(name, ["…"])
            if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) for text in texts):
                raise SettingsError(
                    f"the option {name!r} must be a list of at least one text", where=f"options: {name}"
                )
        latency_seconds = spec.options.get("latency_seconds", 0)
        if isinstance(latency_seconds, bool) or not isinstance(latency_seconds, int | float) or latency_seconds < 0:
            raise SettingsError("the option 'latency_seconds' must be a number", where="options: latency_seconds")

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._writer = RequestWriter()
        self._checked: Sampling | None = None
        self._latency_seconds = float(spec.options.get("latency_seconds", 0))
        self._fail_on = spec.options.get("fail_on")
        self._labels = spec.options.get("labels")
        self._replies = spec.options.get("replies")

    @property
    def texts_at_once(self) -> int:
        """As many as make the engine's share of a reply small; one where a reply takes its time or may fail."""
        return 1 if self._latency_seconds or self._fail_on else TEXTS_AT_ONCE

    async def complete(self, request: Request) -> Response:
        """Returns the echo of a request."""
        started = time.monotonic()
        if self._latency_seconds:
            await self._wait()
        return self._reply(request, started, utc_now())

    async def complete_many(self, requests: Sequence[Request]) -> list[Response]:
        """Returns the echoes of some requests."""
        if self._latency_seconds:
            return [await self.complete(request) for request in requests]
        now = utc_now()
        return [self._reply(request, time.monotonic(), now) for request in requests]

    async def _wait(self) -> None:
        seconds = self.spec.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                await asyncio.sleep(self._latency_seconds)
        except TimeoutError as exc:
            raise ServiceUnavailable(
                f"no reply within {seconds:g} s", hint="raise timeout_seconds of the model"
            ) from exc

    def _reply(self, request: Request, started: float, created_at: str) -> Response:
        # the engine gives the same sampling values, as one object, with all requests of a rule
        if request.sampling is not self._checked or request.tools or request.wanted:
            check_request(request, self.capabilities)
            self._checked = request.sampling
        last = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        if self._fail_on and self._fail_on in last:
            raise RequestRejected(f"echo says 400: the prompt holds {self._fail_on!r}", status=400)
        labels, wanted, top = self._labels, request.wanted, request.sampling.logprobs
        if wanted == "labels" and not labels:
            raise RequestRejected("echo has no labels to score", hint="give it options: {labels: […]}")
        key = digest_bytes(self._writer.body(request), "sha256").partition(":")[2]
        tool = _tool(request)
        text, finish_reason = (
            ("", "tool_calls") if tool is not None else _shorten(self._whole(key, last, request), request)
        )
        scores = echo_scores(labels, key) if wanted == "labels" and labels else None
        if wanted is not None:
            text = "" if scores is None else max(scores, key=lambda label: scores[label])
        return Response(
            text=text,
            finish_reason=finish_reason,
            model=request.model.model,
            usage=Usage(
                input_tokens=sum([len(message.content.split()) for message in request.messages]),
                output_tokens=len(text.split()),
            ),
            created_at=created_at,
            latency_seconds=time.monotonic() - started,
            request_id=f"echo-{key[:16]}",
            tool_calls=() if tool is None else (_call(tool, key),),
            logprobs=None if top is None else echo_logprobs(text, top),
            embedding=echo_vector(last) if wanted == "embedding" else None,
            labels=scores,
        )

    def _whole(self, key: str, last: str, request: Request) -> str:
        if self._replies:
            return str(self._replies[int(key, 16) % len(self._replies)])
        if request.schema is not None:
            return orjson.dumps(follow(request.schema, key)).decode()
        return f"Echo {key[:8]}: {last}"


# Any: a tool as a request defines it.
def _tool(request: Request) -> Mapping[str, Any] | None:
    """Returns the tool that must be called; where the model may choose, it calls none."""
    if request.tool_choice in {None, "auto", "none"} or not request.tools:
        return None
    named = (tool for tool in request.tools if tool.get("name") == request.tool_choice)
    return next(named, request.tools[0])


# Any: a tool as a request defines it.
def _call(tool: Mapping[str, Any], key: str) -> ToolCall:
    arguments = follow(tool.get("parameters") or {"type": "object"}, key)
    return ToolCall(f"call-{key[:8]}", str(tool.get("name")), orjson.dumps(arguments).decode())


def _shorten(text: str, request: Request) -> tuple[str, str]:
    sampling = request.sampling
    cut = cut_at_stop(text, sampling.stop)
    text = text if cut is None else cut
    if sampling.max_tokens is not None:
        ends = [match.end() for match in re.finditer(r"\S+", text)]
        if len(ends) > sampling.max_tokens:
            return text[: ends[sampling.max_tokens - 1]], "length"
    return text, "stop"
