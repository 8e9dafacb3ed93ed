"""What every client of the benchmark asks, and what the service answers; the standard library alone, for every venv."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator
from typing import Any

MODEL = "benchmark-model"
KEY = "sk-benchmark"
KEY_NAMES = ("OPENAI_API_KEY",)
SLOW = "(slow)"
SLOW_SHARE = 0.01
SLOW_SECONDS = 1.0
LATENCY_SECONDS = 0.05

_WORDS = [
    "model",
    "data",
    "text",
    "prompt",
    "reply",
    "token",
    "batch",
    "cache",
    "table",
    "rule",
    "seed",
    "judge",
    "score",
]
_RANDOM = random.Random(0)
# Some 250 characters each; the number in front makes every prompt another one.
_FILLERS = [" ".join(_RANDOM.choices(_WORDS, k=44)) for _ in range(97)]
_ROW = re.compile(r"row (\d+):")


def prompts(count: int, *, start: int = 0) -> Iterator[str]:
    """Yields distinct prompts of some 330 characters; costs next to nothing."""
    for number in range(start, start + count):
        yield f"row {number}: Given the abstract, write a tweet to sum up the work. {_FILLERS[number % 97]}"


def with_slow(plain: list[str], *, seed: int = 1) -> list[str]:
    """Marks one prompt in a hundred, wherever it stands: its reply takes `SLOW_SECONDS`."""
    chosen = random.Random(seed).sample(range(len(plain)), round(len(plain) * SLOW_SHARE))
    marked = list(plain)
    for number in chosen:
        marked[number] += " " + SLOW
    return marked


def latency_seconds(prompt: str) -> float:
    """Returns how long the service takes for a prompt."""
    return SLOW_SECONDS if prompt.endswith(SLOW) else LATENCY_SECONDS


def reply_text(number: int) -> str:
    """Returns what the service answers to the prompt of a row, some 300 characters."""
    return f"Reply to row {number}: {_FILLERS[(number * 31 + 7) % 97]}"


def is_reply_to(prompt: str, text: str | None) -> bool:
    """Tells whether a text answers a prompt."""
    asked, answered = _ROW.search(prompt), _ROW.search(text or "")
    return asked is not None and answered is not None and asked[1] == answered[1]


def completion(number: int) -> bytes:
    """Returns a chat completion as OpenAI's API gives it."""
    message = {"role": "assistant", "content": reply_text(number), "refusal": None, "annotations": []}
    value = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 58,
            "completion_tokens": 48,
            "total_tokens": 106,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_benchmark",
    }
    return json.dumps(value).encode()


def stored_rows(count: int) -> Iterator[tuple[str, str, str]]:
    """Yields the key, the request and the reply of stored calls, as dreamsmk writes them: some 1.1 kB a row."""
    for number, prompt in enumerate(prompts(count)):
        message = json.dumps([{"content": prompt, "role": "user"}], separators=(",", ":"))
        request = f'{{"messages":{message},"model":{{"model":"{MODEL}","provider":"openai"}},"sample":0,"v":1}}'
        key = "sha256:" + hashlib.sha256(request.encode()).hexdigest()
        yield key, request, json.dumps(stored_reply(number), separators=(",", ":"))


# Any: JSON.
def stored_reply(number: int) -> dict[str, Any]:
    """Returns a reply as dreamsmk stores it."""
    usage = {"input_tokens": 58, "cached_input_tokens": 0, "output_tokens": 48, "reasoning_tokens": 0}
    return {
        "text": reply_text(number),
        "finish_reason": "stop",
        "model": MODEL,
        "usage": usage,
        "created_at": "2026-01-01T00:00:00.000000+00:00",
        "latency_seconds": 0.0512,
        "request_id": f"req-{number}",
        "system_fingerprint": "fp_benchmark",
    }
