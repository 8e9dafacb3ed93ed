"""What `echo` answers with that is no plain text: values that follow a schema, vectors, scores, probabilities."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.requests import encoded_vector

DIMENSIONS = 16
FORMATS = {"date": "2000-01-01", "date-time": "2000-01-01T00:00:00Z", "time": "00:00:00Z", "uri": "https://example.org"}
FORMATS |= {"email": "someone@example.org", "uuid": "00000000-0000-4000-8000-000000000000"}


# Any: JSON Schema, and JSON.
def follow(schema: Mapping[str, Any], key: str) -> Any:
    """Returns a value that follows a JSON Schema of the usual kind, chosen by the key.

    Enumerations, constants, bounds, lengths, formats, references inside the schema and unions are kept to; patterns,
    conditions and negations are not understood.
    """
    return _Follower(schema, key).value(schema, "")


# Any: JSON Schema, and JSON.
class _Follower:
    def __init__(self, root: Mapping[str, Any], key: str) -> None:
        self._root = root
        self._key = key

    def value(self, schema: Any, place: str) -> Any:
        if not isinstance(schema, Mapping):
            return f"{self._key[:8]}"
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self._number(place) % len(schema["enum"])]
        for union in ("anyOf", "oneOf"):
            if schema.get(union):
                rest = {name: value for name, value in schema.items() if name != union}
                return self.value({**rest, **self._resolved(schema[union][0])}, place)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = kind[0] if isinstance(kind, list) else kind
        return self._of_kind(str(kind), schema, place)

    def _of_kind(self, kind: str, schema: Mapping[str, Any], place: str) -> Any:
        if kind == "object":
            return {name: self.value(inner, f"{place}.{name}") for name, inner in schema.get("properties", {}).items()}
        if kind == "array":
            count = min(max(1, schema.get("minItems", 1)), schema.get("maxItems", math.inf))
            items = schema.get("items", {})
            return [self.value(items, f"{place}[{number}]") for number in range(int(count))]
        if kind in {"integer", "number"}:
            return self._bounded(kind, schema, place)
        if kind == "boolean":
            return self._number(place) % 2 == 0
        return None if kind == "null" else self._text(schema, place)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Any = schema
        for _ in range(8):
            reference = found.get("$ref") if isinstance(found, Mapping) else None
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            target: Any = self._root
            for part in reference[1:].strip("/").split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if part else target
            found = {**target, **{name: value for name, value in found.items() if name != "$ref"}}
        merged = dict(found)
        for part in merged.pop("allOf", []):
            merged |= self._resolved(part)
        return merged

    def _bounded(self, kind: str, schema: Mapping[str, Any], place: str) -> int | float:
        low: float = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        high: float = schema.get("maximum", schema.get("exclusiveMaximum", low + 11) - 1)
        if kind == "number":
            return float(low) + max(0.0, high - low) * (self._number(place) % 101) / 100
        first = math.ceil(low)
        last = max(first, math.floor(high))
        return first + self._number(place) % (last - first + 1)

    def _text(self, schema: Mapping[str, Any], place: str) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        shortest: int = schema.get("minLength", 0)
        longest: int | None = schema.get("maxLength")
        text = f"echo {hashlib.sha256(f'{self._key}{place}'.encode()).hexdigest()[:8]}"
        return text.ljust(shortest, ".")[:longest]

    def _number(self, place: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self._key}{place}".encode()).digest()[:4], "big")


def echo_vector(text: str) -> str:
    """Returns a vector of length 1 that its words alone decide, so that like texts are near each other."""
    numbers = [0.0] * DIMENSIONS
    for word in text.lower().split() or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        for place in range(DIMENSIONS):
            numbers[place] += digest[place] / 255 - 0.5
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return encoded_vector(number / length for number in numbers)


def echo_scores(labels: Sequence[str], key: str) -> dict[str, float]:
    """Returns a score for each label that the key decides; they add up to 1."""
    parts = [hashlib.sha256(f"{key}{label}".encode()).digest()[0] + 1 for label in labels]
    return {label: part / sum(parts) for label, part in zip(labels, parts, strict=True)}


# Any: JSON.
def echo_logprobs(text: str, count: int) -> tuple[Mapping[str, Any], ...]:
    """Returns a probability for each word, with `count` made-up alternatives."""
    words = text.split(" ")
    tokens = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    return tuple(
        {
            "token": token,
            "logprob": -(hashlib.sha256(token.encode()).digest()[0] + 1) / 256,
            "top": [{"token": token if n == 0 else f"{token}{n}", "logprob": -1.0 - n} for n in range(count)],
        }
        for token in tokens
    )
