"""Answers to 200 prompts of mixed length, in a process of its own; see `training.py`.

    python -m benchmarks.generation_runs dreamsmk|unsorted|sorted MODEL

prints `{"seconds", "cpu_seconds", "tokens"}` as JSON. `unsorted` is a plain loop of `generate` over batches as the
prompts come, `sorted` one over batches of like length, which is DataDreamer's way. All pad on the left and search
greedily, in batches of one size; a reply ends where the model ends it, after 48 tokens at the latest. Each has answered
one prompt before the clock starts: loading libraries and weights is not in the time.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

PROMPTS = 200
BATCH = 16
NEW_TOKENS = 48


def prompts() -> list[str]:
    """Returns prompts of 10 to 300 words, most of them short, as tables of questions and documents have them."""
    import random

    from benchmarks.training_runs import WORDS

    drawn = random.Random(0)
    lengths = [10 + int(290 * drawn.random() ** 3) for _ in range(PROMPTS)]
    return [" ".join(drawn.choices(WORDS, k=length)) for length in lengths]


class Clock:
    """Seconds and seconds of CPU since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def figures(self, tokens: int) -> dict[str, float]:
        seconds, cpu = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        return {"seconds": seconds, "cpu_seconds": cpu, "tokens": tokens}


def loop(model: Path, *, is_sorted: bool) -> dict[str, float]:
    """Answers batch by batch with `generate`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    warmed = tokenizer("warm", return_tensors="pt")
    loaded.generate(**warmed, max_new_tokens=1, do_sample=False)

    clock = Clock()
    asked = [
        tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False)
        for text in prompts()
    ]
    if is_sorted:
        asked.sort(key=lambda text: len(tokenizer(text)["input_ids"]))
    tokens = 0
    with torch.inference_mode():
        for first in range(0, len(asked), BATCH):
            batch = tokenizer(asked[first : first + BATCH], return_tensors="pt", padding=True, add_special_tokens=False)
            made = loaded.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False)
            tokens += made[:, batch["input_ids"].shape[1] :].numel()
    return clock.figures(tokens)


def ours(model: Path) -> dict[str, float]:
    """Answers through the provider `transformers`."""
    from dreamsmk.providers import open_provider
    from dreamsmk.requests import Message, ModelIdentity, Request, Sampling
    from dreamsmk.settings import ModelSpec

    spec = ModelSpec(provider="transformers", model=str(model), dtype="float32", batch_size=BATCH)
    provider = open_provider(spec)

    def request(text: str, tokens: int) -> Request:
        identity = ModelIdentity(spec.provider, spec.model)
        return Request(identity, (Message("user", text),), Sampling(max_tokens=tokens))

    dict(provider.generate([request("warm", 1)]))
    clock = Clock()
    replies = dict(provider.generate([request(text, NEW_TOKENS) for text in prompts()]))
    figures = clock.figures(sum(reply.usage.output_tokens for reply in replies.values()))
    provider.close()
    return figures


def main() -> None:
    warnings.simplefilter("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    way, model = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(ours(model) if way == "dreamsmk" else loop(model, is_sorted=way == "sorted")))


if __name__ == "__main__":
    main()
