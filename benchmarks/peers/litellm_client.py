"""LiteLLM: `acompletion`, without any cache."""

from __future__ import annotations

import asyncio

from benchmarks.peers.offline import stay_offline
from benchmarks.peers.window import windowed
from benchmarks.workload import KEY, MODEL

PACKAGE = "litellm"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    stay_offline()
    return asyncio.run(_run(prompts, url, concurrency))


async def _run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    import litellm

    async def ask(prompt: str) -> str | None:
        messages = [{"role": "user", "content": prompt}]
        reply = await litellm.acompletion(f"openai/{MODEL}", messages, api_base=url, api_key=KEY)
        text: str | None = reply.choices[0].message.content
        return text

    return await windowed(ask, prompts, concurrency)
