"""DataDreamer: its OpenAI model in `run`, with the cache that it has inside a session."""

from __future__ import annotations

import tempfile

from benchmarks.peers.offline import stay_offline
from benchmarks.workload import KEY

PACKAGE = "datadreamer.dev"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    stay_offline()
    from datadreamer import DataDreamer
    from datadreamer.llms import OpenAI

    with tempfile.TemporaryDirectory() as folder, DataDreamer(folder):
        model = OpenAI(model_name="gpt-4o", base_url=url, api_key=KEY)
        replies = model.run(prompts, max_new_tokens=256, batch_size=concurrency, return_generator=False)
        return [str(reply) for reply in replies]
