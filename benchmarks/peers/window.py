"""Workers that take prompts from one iterator: for clients that only know single calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def windowed(
    ask: Callable[[str], Awaitable[str | None]], prompts: list[str], concurrency: int
) -> list[str | None]:
    """Returns what `ask` gives for each prompt, `concurrency` of them at a time and without a barrier."""
    texts: list[str | None] = [None] * len(prompts)
    rows = iter(enumerate(prompts))

    async def work() -> None:
        for number, prompt in rows:
            texts[number] = await ask(prompt)

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return texts
