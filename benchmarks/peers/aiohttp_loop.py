"""The reference: a loop over aiohttp that sends, reads the JSON and takes the text, and nothing else."""

from __future__ import annotations

import asyncio

import aiohttp

from benchmarks.peers.window import windowed
from benchmarks.workload import KEY, MODEL

PACKAGE = "aiohttp"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    return asyncio.run(_run(prompts, url, concurrency))


async def _run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(prompt: str) -> str | None:
            body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
            async with session.post(f"{url}/chat/completions", json=body) as reply:
                reply.raise_for_status()
                value = await reply.json()
            text: str = value["choices"][0]["message"]["content"]
            return text

        return await windowed(ask, prompts, concurrency)
