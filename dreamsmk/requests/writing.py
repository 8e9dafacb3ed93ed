"""The canonical JSON of requests, written fast where most of it is the same from one request to the next.

Contract: `RequestWriter().body(request)` is `canonical_bytes(request.canonical())`, byte for byte, so that its SHA-256
is `request.key()`. Whatever is not of the plain kind that this file knows goes through `canonical_bytes` itself.
"""

from __future__ import annotations

import orjson

from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests.request import KEY_VERSION, ModelIdentity, Request, Sampling

# The fields of a request that are written here; a request that uses any other one takes the long way.
FAST_FIELDS = frozenset({"model", "messages", "sampling", "sample"})
LONG_FIELDS = frozenset({"tools", "tool_choice", "schema", "wanted"})
FAST_MESSAGE_FIELDS = frozenset({"role", "content"})
LONG_MESSAGE_FIELDS = frozenset({"images", "tool_calls", "tool_call_id"})


class RequestWriter:
    """Writes requests as canonical JSON; remembers the model and the sampling values that it wrote last."""

    def __init__(self) -> None:
        self._model: ModelIdentity | None = None
        self._sampling: Sampling | None = None
        self._model_part = b""
        self._tail_part = b""
        self._tail_sample = -1

    def body(self, request: Request) -> bytes:
        """Returns the canonical JSON of a request.

        Raises:
            IdentityError: A value of the request has no canonical form.
        """
        sampling, model = request.sampling, request.model
        # A mapping may be changed in place, so that nothing that holds one is remembered.
        if request.tools or request.schema or sampling.extra or model.options or not request.messages:
            return canonical_bytes(request.canonical())
        if request.wanted is not None or request.tool_choice is not None:
            return canonical_bytes(request.canonical())
        sample = request.sample
        if type(sample) is not int:
            return canonical_bytes(request.canonical())
        if model is not self._model or sampling is not self._sampling or sample != self._tail_sample:
            self._remember(request, model, sampling)
        messages: list[dict[str, str]] = []
        for message in request.messages:
            if (
                type(message.content) is not str
                or type(message.role) is not str
                or message.images
                or message.tool_calls
                or message.tool_call_id
            ):
                return canonical_bytes(request.canonical())
            messages.append({"content": message.content, "role": message.role})
        try:
            # Texts under names in order: the canonical form as it is, which `canonical_bytes` would walk to find out.
            written = orjson.dumps(messages)
        except TypeError:
            return canonical_bytes(request.canonical())
        return b'{"messages":' + written + self._model_part + self._tail_part

    def _remember(self, request: Request, model: ModelIdentity, sampling: Sampling) -> None:
        # RFC 8785 sorts members by name: messages, model, sample, sampling, v.
        value = request.canonical()
        tail = {name: value[name] for name in ("sample", "sampling") if name in value} | {"v": KEY_VERSION}
        self._model_part = b',"model":' + canonical_bytes(value["model"]) + b","
        self._tail_part = canonical_bytes(tail)[1:]
        self._model, self._sampling, self._tail_sample = model, sampling, request.sample
