"""What a model is asked for, and the key that one call is stored under.

Contract: the key is the SHA-256 of the canonical JSON of *everything* in a `Request`, with the order of the properties
that a schema or a tool asks for: a model fills them in one after the other. What must not be part of it (time
limits, batch size, concurrency, API keys) is not part of a `Request` either. Values that are `None` or empty are absent
from the canonical form, so that a field added later leaves older keys as they are. The few fields that take no part in
the key stand in `NOT_IN_KEY`, each with its reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dreamsmk.hashing import canonical_bytes, digest_bytes
from dreamsmk.requests.message import Message
from dreamsmk.settings.ordering import key_order

KEY_VERSION = 1
PROPERTIES = "properties"

# What is wanted of a model that is not a text.
Wanted = Literal["embedding", "labels"]

# The only fields that take no part in the key, and why.
NOT_IN_KEY = {("Image", "path"): "the digest says which image it is; where it lies does not matter"}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. `None` leaves a value to the provider's default.

    Attributes:
        max_tokens: The most new tokens that the model may write.
        stop: Texts at which the reply is cut; none of them is part of the reply.
        logprobs: How many of the most likely tokens are told with each token of the reply, beside the token itself.
        extra: Values that only this provider knows, by the provider's own name.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    logprobs: int | None = None
    # Any: the provider's own JSON values.
    extra: Mapping[str, Any] = field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """Returns the values that are set, by name (`stop` as a list)."""
        given: dict[str, Any] = _present(self)
        return given


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model answers: what two model specs must share for their replies to be interchangeable.

    Attributes:
        provider: The wire family: `openai`, `anthropic`, `transformers`, `echo`, …
        model: The model id, or `sha256:…`, the digest of a local model folder.
        revision: A commit, tag or dated snapshot of the model.
        adapter: An adapter's id, or `sha256:…`, the digest of its folder.
        quantization: The name of a quantization scheme.
        dtype: The number format of the weights, for local models.
        base_url: The endpoint, where it is not the provider's default one.
        api: Which of the provider's APIs is asked, where it is not the usual one.
        chat_template: A Jinja chat template that replaces the tokenizer's own.
        options: Whatever else of the model spec changes replies.
    """

    provider: str
    model: str
    revision: str | None = None
    adapter: str | None = None
    quantization: str | None = None
    dtype: str | None = None
    base_url: str | None = None
    api: str | None = None
    chat_template: str | None = None
    # Any: the provider's own JSON values.
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One model call.

    Attributes:
        sample: Which of several independent samples of the same request this is, from 0.
        tools: The tools that the model may call, each `{"name": …, "description": …, "parameters": JSON Schema}`.
        tool_choice: `auto`, `none`, `required`, or the name of the tool that must be called.
        schema: The JSON Schema that the reply must follow.
        wanted: What is wanted of the model instead of a text; the one message's content is what it is shown.
    """

    model: ModelIdentity
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    sample: int = 0
    # Any: JSON.
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | None = None
    schema: Mapping[str, Any] | None = None
    wanted: Wanted | None = None

    def canonical(self) -> dict[str, Any]:
        """Returns the plain JSON value that the key is the digest of."""
        value = {"v": KEY_VERSION, **_present(self)}
        # canonical JSON knows no order of keys
        order = key_order({"schema": value.get("schema"), "tools": value.get("tools")}, PROPERTIES)
        return {**value, "order": order} if order else value

    def key(self) -> str:
        """Returns the key of this call in the cache: `sha256:` and 64 hexadecimal digits."""
        return digest_bytes(canonical_bytes(self.canonical()), "sha256")


# Any: walks dataclasses of every type in this file.
def _present(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value).__name__
        names = [f.name for f in dataclasses.fields(value) if (kind, f.name) not in NOT_IN_KEY]
        fields = {name: _present(getattr(value, name)) for name in names}
        return {name: v for name, v in fields.items() if not _is_absent(v)}
    if isinstance(value, Mapping):
        return {name: _present(v) for name, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_present(v) for v in value]
    return value


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, (list, dict)) and not value)
