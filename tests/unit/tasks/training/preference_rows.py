"""Rows of preferences for tests, and how each of the rules reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from tests.unit.tasks.training.job import WORDS, Job

PAIRS = {"prompts": "question", "chosen": "good", "rejected": "bad"}
LABELLED = {"prompts": "question", "completions": "good", "labels": "liked"}
RULES = ("dpo", "kto", "orpo")


def make_pairs(count: int) -> pl.DataFrame:
    """Rows of which the better completion begins with `all`, whatever is asked; every other one is liked."""
    questions = [" ".join(WORDS[(row * 5 + place) % len(WORDS)] for place in range(4)) for row in range(count)]
    return pl.DataFrame({"question": questions, "liked": [row % 2 == 0 for row in range(count)]}).with_columns(
        good=pl.concat_str(pl.lit("all of "), pl.col("question").str.head(3)),
        bad=pl.concat_str(pl.lit("not "), pl.col("question").str.head(5)),
    )


def job_of(folder: Path, model: Path, rule: str, **spec: Any) -> Job:
    return Job(folder, model, rule=rule, given=dict(PAIRS), spec=spec)


def history(job: Job) -> pl.DataFrame:
    return pl.read_parquet(job.output / "history.parquet")


def log_probability(model: Path, asked: list[int], told: list[int], *, is_mean: bool) -> float:
    """The log probability of what a model tells where it is asked: the sum over the tokens, or their mean."""
    import torch
    from transformers import AutoModelForCausalLM

    from dreamsmk.tasks.training.frame.quiet import quiet_libraries

    with quiet_libraries(), torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(model)(torch.tensor([asked + told])).logits[0]
    found = logits.log_softmax(-1)[range(len(asked) - 1, len(asked + told) - 1), told]
    return float(found.mean() if is_mean else found.sum())


if __name__ == "__main__":
    import json
    import sys
    import time

    from tests.unit.tasks.training.job import Recorder

    where, tiny, name, given = sys.argv[1:]
    job = job_of(Path(where), Path(tiny), name)
    job.progress = Recorder(at_step=lambda step: time.sleep(0.1))
    job.run(make_pairs(20), **json.loads(given))
