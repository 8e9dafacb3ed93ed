"""distilabel: its OpenAI model alone, a batch of the concurrency at a time, as its pipelines ask it."""

from __future__ import annotations

from benchmarks.workload import KEY, MODEL

PACKAGE = "distilabel"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies."""
    from distilabel.models import OpenAILLM

    model = OpenAILLM(model=MODEL, base_url=url, api_key=KEY)
    model.load()
    texts: list[str | None] = []
    for start in range(0, len(prompts), concurrency):
        batch = [[{"role": "user", "content": prompt}] for prompt in prompts[start : start + concurrency]]
        texts.extend(output["generations"][0] for output in model.generate_outputs(inputs=batch))
    return texts
