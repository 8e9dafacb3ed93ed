"""The provider `echo`: answers without a model and without a network, for examples, dry runs and tests.

Contract: the text is a pure function of the request. It is `Echo <8 digits of the key>: <last user message>`, or one of
`options: {replies: […]}`, chosen by the key. It honours `max_tokens` and `stop` with one word as one token, and takes
every other sampling value as part of the key.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import ClassVar

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.base import Capabilities, ServiceProvider, check_options, check_request
from dreamsmk.providers.replies import cut_at_stop, utc_now
from dreamsmk.requests import Request, Response, Usage
from dreamsmk.settings import ModelSpec, spec_fields

OPTIONS = ("fail_on", "latency_seconds", "replies")


class EchoProvider(ServiceProvider):
    """Repeats the last user message.

    The options of the model spec are `replies` (the texts to answer with), `latency_seconds` (how long a reply takes)
    and `fail_on` (a text; a prompt that holds it is rejected).
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset(f.name for f in spec_fields("sampling")) | {"extra"},
        fields=frozenset(f.name for f in spec_fields("identity")),
        has_tools=True,
        has_schema=True,
        roles=frozenset({"system", "user", "assistant", "tool"}),
    )

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Raises `SettingsError` for an unknown option, or one of a wrong type."""
        super().check(spec)
        check_options(spec, OPTIONS)
        replies = spec.options.get("replies", ["…"])
        if not isinstance(replies, list | tuple) or not replies or not all(isinstance(reply, str) for reply in replies):
            raise SettingsError("the option 'replies' must be a list of at least one text", where="options: replies")
        latency_seconds = spec.options.get("latency_seconds", 0)
        if isinstance(latency_seconds, bool) or not isinstance(latency_seconds, int | float) or latency_seconds < 0:
            raise SettingsError("the option 'latency_seconds' must be a number", where="options: latency_seconds")

    async def complete(self, request: Request) -> Response:
        """Returns the echo of a request."""
        check_request(request, self.capabilities)
        started = time.monotonic()
        fail_on = self.spec.options.get("fail_on")
        last = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        await asyncio.sleep(float(self.spec.options.get("latency_seconds", 0)))
        if fail_on and fail_on in last:
            raise RequestRejected(f"echo says 400: the prompt holds {fail_on!r}", status=400)
        key = request.key().partition(":")[2]
        replies = self.spec.options.get("replies")
        whole = replies[int(key, 16) % len(replies)] if replies else f"Echo {key[:8]}: {last}"
        text, finish_reason = _shorten(whole, request)
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
        )


def _shorten(text: str, request: Request) -> tuple[str, str]:
    sampling = request.sampling
    cut = cut_at_stop(text, sampling.stop)
    text = text if cut is None else cut
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    if sampling.max_tokens is not None and len(ends) > sampling.max_tokens:
        return text[: ends[sampling.max_tokens - 1]], "length"
    return text, "stop"
