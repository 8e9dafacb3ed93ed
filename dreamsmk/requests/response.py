"""What a model answered, as plain JSON that can be kept for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


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
        finish_reason: Why it ended: `stop`, `length`, `tool_calls`, `content_filter` or the provider's own word.
        model: The model as the provider reports it, which may be more exact than what was asked for.
        created_at: When the reply arrived: UTC, ISO 8601.
        latency_seconds: From sending the request to having the whole reply.
        request_id: The provider's id of the call, where it gives one.
        system_fingerprint: The provider's mark of its backend's configuration, where it gives one.
    """

    text: str
    finish_reason: str
    model: str
    usage: Usage
    created_at: str
    latency_seconds: float
    request_id: str | None = None
    system_fingerprint: str | None = None

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the reply as a plain JSON value."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Response:
        """Returns the reply that `to_json` gave."""
        return cls(**{**value, "usage": Usage(**value["usage"])})
