"""LangChain: `ChatOpenAI.abatch`, without any cache."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.workload import KEY, MODEL

PACKAGE = "langchain-openai"
# One loop for all runs: it keeps its connections by endpoint, whatever loop they belong to.
_RUNNER = asyncio.Runner()


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=url, api_key=KEY)
    replies = _RUNNER.run(_batch(model, prompts, concurrency))
    return [str(reply.content) for reply in replies]


# Any: the types of a package that need not be installed.
async def _batch(model: Any, prompts: list[str], concurrency: int) -> list[Any]:
    replies: list[Any] = await model.abatch(prompts, config={"max_concurrency": concurrency})
    return replies
