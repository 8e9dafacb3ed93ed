"""DSPy: its language model alone, with the cache that it has by default."""

from __future__ import annotations

import asyncio
import os
import tempfile

from benchmarks.peers.offline import stay_offline
from benchmarks.peers.window import windowed
from benchmarks.workload import KEY, MODEL

PACKAGE = "dspy"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    stay_offline()
    os.environ.setdefault("DSPY_CACHEDIR", tempfile.mkdtemp())
    return asyncio.run(_run(prompts, url, concurrency))


async def _run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    import dspy

    model = dspy.LM(f"openai/{MODEL}", api_base=url, api_key=KEY)

    async def ask(prompt: str) -> str | None:
        replies = await model.acall(prompt=prompt)
        first = replies[0]
        text: str | None = first if isinstance(first, str) else first.get("text")
        return text

    return await windowed(ask, prompts, concurrency)
