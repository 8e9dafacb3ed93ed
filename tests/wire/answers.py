"""What the wire server answers, before it is written in a wire format: a pure function of what was asked."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.wire.asked import Asked

Rules = list[tuple[str, str | None]]
Facts = list[tuple[str, dict[str, Any]]]
DIMENSIONS = 8


@dataclass(slots=True)
class Answer:
    """One reply.

    Attributes:
        finish_reason: In OpenAI's words.
        tool: The name and the arguments of the tool that is called.
    """

    text: str | None = None
    finish_reason: str = "stop"
    tool: tuple[str, Mapping[str, Any]] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    logprobs: list[tuple[str, float, list[tuple[str, float]]]] | None = None

    @property
    def word_count(self) -> int:
        return len((self.text or "").split())


@dataclass(slots=True)
class Script:
    """What replies are made by.

    Attributes:
        rules: Fixed replies: a text that the prompt holds, and what is answered (None: a reply without content).
        facts: What else replies hold: a text that the prompt holds, and fields of `Answer`.
    """

    rules: Rules = field(default_factory=list)
    facts: Facts = field(default_factory=list)

    def answer(self, asked: Asked, number: int) -> Answer:
        """Returns the reply: by the first rule whose text the prompt holds, else a tool, an instance, or an echo.

        `{number}` in a rule's text becomes the number of the call, as a model that samples never says the same twice.
        """
        answer = self._answer(asked, number)
        for contains, values in self.facts:
            if contains in asked.prompt:
                for name, value in values.items():
                    setattr(answer, name, value)
        if asked.logprobs is not None and answer.text:
            answer.logprobs = _logprobs(answer.text, asked.logprobs)
        return answer

    def _answer(self, asked: Asked, number: int) -> Answer:
        for contains, text in self.rules:
            if contains in asked.prompt:
                return Answer(text and text.replace("{number}", str(number)))
        tool = _tool(asked)
        if tool is not None:
            return Answer(None, "tool_calls", (tool, instance(asked.tools[tool])))
        if asked.schema is not None:
            return Answer(json.dumps(instance(asked.schema)))
        return _echo(asked)


def _echo(asked: Asked) -> Answer:
    digest = hashlib.sha256("\n".join([asked.prompt, *asked.images]).encode()).hexdigest()[:8]
    words = f"Reply {digest} to: {asked.prompt}".split(" ")
    if asked.limit is not None and len(words) > asked.limit:
        return Answer(" ".join(words[: asked.limit]), "length")
    return Answer(" ".join(words))


def _tool(asked: Asked) -> str | None:
    """Returns the tool to call: the one that must be, else one that the prompt names, unless one has answered."""
    if not asked.tools or asked.choice == "none":
        return None
    if asked.choice in asked.tools:
        return asked.choice
    if asked.choice == "required":
        return next(iter(asked.tools))
    return None if asked.is_answered else next((name for name in asked.tools if name in asked.prompt), None)


def instance(schema: Any) -> Any:
    """Returns a value that a simple JSON Schema allows."""
    if not isinstance(schema, Mapping):
        return None
    for name in ("const", "enum", "anyOf", "oneOf"):
        if name in schema:
            first = schema[name] if name == "const" else schema[name][0]
            return first if name in {"const", "enum"} else instance(first)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: instance(inner) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {}))] * max(1, schema.get("minItems", 1))
    return {"string": "text", "integer": schema.get("minimum", 1), "number": 0.5, "boolean": True}.get(kind)


def vector(text: str, dimensions: int | None) -> list[float]:
    """Returns the vector of a text: numbers that a float32 holds exactly."""
    digest = hashlib.sha256(text.encode()).digest()
    return [digest[place % 32] / 256 - 0.5 for place in range(dimensions or DIMENSIONS)]


def packed(numbers: list[float]) -> bytes:
    """Returns numbers as little-endian float32."""
    return struct.pack(f"<{len(numbers)}f", *numbers)


def _logprobs(text: str, count: int) -> list[tuple[str, float, list[tuple[str, float]]]]:
    words = text.split(" ")
    tokens = [word if place == 0 else f" {word}" for place, word in enumerate(words)]
    return [(token, -0.5, [(token if n == 0 else f"{token}{n}", -0.5 - n) for n in range(count)]) for token in tokens]
