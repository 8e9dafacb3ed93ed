"""OpenAI's own SDK with its default transport."""

from __future__ import annotations

import asyncio

from benchmarks.peers.window import windowed
from benchmarks.workload import MODEL

PACKAGE = "openai"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    return asyncio.run(_run(prompts, url, concurrency))


async def _run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    import openai

    async with openai.AsyncOpenAI(base_url=url) as client:

        async def ask(prompt: str) -> str | None:
            reply = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": prompt}], timeout=60
            )
            text: str | None = reply.choices[0].message.content
            return text

        return await windowed(ask, prompts, concurrency)
