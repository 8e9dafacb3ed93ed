"""lm-deluge: its client with limits so high that they never bind, and no cache."""

from __future__ import annotations

from benchmarks.workload import KEY_NAMES, MODEL

PACKAGE = "lm-deluge"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    from lm_deluge import LLMClient
    from lm_deluge.models import register_model

    register_model(id=MODEL, name=MODEL, api_base=url, api_key_env_var=KEY_NAMES[0], api_spec="openai")
    client = LLMClient(
        MODEL,
        max_requests_per_minute=100_000_000,
        max_tokens_per_minute=100_000_000_000,
        max_concurrent_requests=concurrency,
        max_new_tokens=256,
    )
    texts: list[str | None] = client.process_prompts_sync(prompts, return_completions_only=True, show_progress=False)
    return texts
