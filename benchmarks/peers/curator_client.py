"""Curator: one `LLM` over all prompts, with its files as they are by default, in an empty folder."""

from __future__ import annotations

import os
import tempfile

from benchmarks.peers.offline import stay_offline
from benchmarks.workload import MODEL

PACKAGE = "bespokelabs-curator"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    stay_offline()
    os.environ["TELEMETRY_ENABLED"] = "false"
    from bespokelabs import curator

    limits = {
        "max_requests_per_minute": 100_000_000,
        "max_tokens_per_minute": 100_000_000_000,
        "max_concurrent_requests": concurrency,
        "base_url": url,
    }
    model = curator.LLM(model_name=MODEL, backend="openai", backend_params=limits)
    with tempfile.TemporaryDirectory() as folder:
        replies = model(prompts, working_dir=folder)
        dataset = getattr(replies, "dataset", replies)
        return [row["response"] for row in dataset]
