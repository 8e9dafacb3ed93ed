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
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.hashing import digest_bytes
from dreamsmk.providers.base import Capabilities, ServiceProvider, check_options, check_request
from dreamsmk.providers.echo_values import echo_logprobs, echo_scores, echo_vector, follow
from dreamsmk.providers.replies import cut_at_stop, utc_now
from dreamsmk.requests import Request, Response, Sampling, ToolCall, Usage
from dreamsmk.requests.writing import RequestWriter
from dreamsmk.settings import ModelSpec, spec_fields

OPTIONS = ("fail_on", "labels", "latency_seconds", "replies")


class EchoProvider(ServiceProvider):
    """Repeats the last user message.

    The options of the model spec are `replies` (the texts to answer with), `labels` (those that are scored where labels
    are wanted), `latency_seconds` (how long a reply takes) and `fail_on` (a text; a prompt that holds it is rejected).
    """

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

    async def complete(self, request: Request) -> Response:
        """Returns the echo of a request."""
        # the engine gives the same sampling values, as one object, with all requests of a rule
        if request.sampling is not self._checked or request.tools or request.wanted:
            check_request(request, self.capabilities)
            self._checked = request.sampling
        started = time.monotonic()
        fail_on = self.spec.options.get("fail_on")
        last = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        if latency_seconds := self.spec.options.get("latency_seconds", 0):
            await asyncio.sleep(float(latency_seconds))
        if fail_on and fail_on in last:
            raise RequestRejected(f"echo says 400: the prompt holds {fail_on!r}", status=400)
        labels = self.spec.options.get("labels")
        if request.wanted == "labels" and not labels:
            raise RequestRejected("echo has no labels to score", hint="give it options: {labels: […]}")
        key = digest_bytes(self._writer.body(request), "sha256").partition(":")[2]
        tool = _tool(request)
        text, finish_reason = (
            ("", "tool_calls") if tool is not None else _shorten(self._whole(key, last, request), request)
        )
        scores = echo_scores(labels, key) if request.wanted == "labels" and labels else None
        if request.wanted is not None:
            text = "" if scores is None else max(scores, key=lambda label: scores[label])
        return Response(
            text=text,
            finish_reason=finish_reason,
            model=request.model.model,
            usage=Usage(
                input_tokens=sum(len(message.content.split()) for message in request.messages),
                output_tokens=len(text.split()),
            ),
            created_at=utc_now(),
            latency_seconds=time.monotonic() - started,
            request_id=f"echo-{key[:16]}",
            tool_calls=() if tool is None else (_call(tool, key),),
            logprobs=None if request.sampling.logprobs is None else echo_logprobs(text, request.sampling.logprobs),
            embedding=echo_vector(last) if request.wanted == "embedding" else None,
            labels=scores,
        )

    def _whole(self, key: str, last: str, request: Request) -> str:
        replies = self.spec.options.get("replies")
        if replies:
            return str(replies[int(key, 16) % len(replies)])
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
