"""What a model answered, as plain JSON that can be kept for ever."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.requests.message import ToolCall

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the provider counted them.

    Attributes:
        input_tokens: All tokens of the prompt, those read from the provider's prompt cache included.
        cached_input_tokens: Those of them that the provider read from its prompt cache.
        output_tokens: All new tokens, those spent on reasoning included.
        reasoning_tokens: Those of them that were spent on reasoning.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class Response:
    """One reply.

    Attributes:
        text: The reply's text; empty where the model wrote none.
        finish_reason: Why it ended: `stop`, `length`, `tool_calls`, `content_filter`, `refusal` or the provider's own
            word.
        model: The model as the provider reports it, which may be more exact than what was asked for.
        created_at: When the reply arrived: UTC, ISO 8601.
        latency_seconds: From sending the request to having the whole reply.
        request_id: The provider's id of the call, where it gives one.
        system_fingerprint: The provider's mark of its backend's configuration, where it gives one.
        retries: How often the request had to be sent again.
        tool_calls: The tools that the model wants called.
        refusal: The words with which the model refused, where the provider tells them apart from the text.
        reasoning: What the model wrote for itself before the text, where the provider shows it.
        logprobs: One object a token of the text: `token`, `logprob`, and `top`, a list of the most likely tokens.
        embedding: The vector that was wanted: base64 of its little-endian float32 numbers; see `vector`.
        labels: The scores that were wanted, by label.
    """

    text: str
    finish_reason: str
    model: str
    usage: Usage
    created_at: str
    latency_seconds: float
    request_id: str | None = None
    system_fingerprint: str | None = None
    retries: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    reasoning: str | None = None
    # Any: JSON.
    logprobs: tuple[Mapping[str, Any], ...] | None = None
    embedding: str | None = None
    labels: Mapping[str, float] | None = None

    def vector(self) -> NDArray[np.float32]:
        """Returns the vector that was wanted, of the shape (dimensions,).

        Raises:
            ValueError: The reply holds none.
        """
        import numpy as np

        if self.embedding is None:
            raise ValueError("the reply holds no vector")
        return np.frombuffer(base64.b64decode(self.embedding), dtype="<f4")

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the reply as a plain JSON value; what is absent or empty of the optional fields is left out."""
        usage = self.usage
        value: dict[str, Any] = {
            "text": self.text,
            "finish_reason": self.finish_reason,
            "model": self.model,
            "usage": {
                "input_tokens": usage.input_tokens,
                "cached_input_tokens": usage.cached_input_tokens,
                "output_tokens": usage.output_tokens,
                "reasoning_tokens": usage.reasoning_tokens,
            },
            "created_at": self.created_at,
            "latency_seconds": self.latency_seconds,
        }
        for name in OPTIONAL:
            inner = getattr(self, name)
            if inner is not None and (name != "retries" or inner):
                value[name] = inner
        if self.tool_calls:
            value["tool_calls"] = [asdict(call) for call in self.tool_calls]
        if self.logprobs is not None:
            value["logprobs"] = list(self.logprobs)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Response:
        """Returns the reply that `to_json` gave."""
        fields = {**value, "usage": Usage(**value["usage"])}
        if "tool_calls" in fields:
            fields["tool_calls"] = tuple(ToolCall(**call) for call in fields["tool_calls"])
        if fields.get("logprobs") is not None:
            fields["logprobs"] = tuple(fields["logprobs"])
        return cls(**fields)


OPTIONAL = (
    "request_id",
    "system_fingerprint",
    "retries",
    "refusal",
    "reasoning",
    "embedding",
    "labels",
)


def encoded_vector(numbers: Iterable[float]) -> str:
    """Returns the text that `Response.embedding` holds a vector as."""
    import numpy as np

    return base64.b64encode(np.asarray(list(numbers), dtype="<f4").tobytes()).decode()
