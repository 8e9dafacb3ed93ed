"""Trainings of tiny embedding models, and the tests' way to use what they leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from dreamsmk.providers import open_provider
from dreamsmk.settings import ModelSpec
from tests.tiny.asking import ask_local, local_request
from tests.tiny.model import TEXT
from tests.unit.tasks.training.job import Job

SPEC = {"provider": "sentence_transformers"}
WORDS = list(dict.fromkeys(TEXT.split()))


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of each file of a folder and of those in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def vectors(job: Job, texts: list[str], **options) -> np.ndarray:
    """Vectors of length 1, from the folder that was left, by the provider."""
    spec = ModelSpec(provider="sentence_transformers", model=str(job.output), options={"normalize": True, **options})
    provider = open_provider(spec)
    replies = ask_local(provider, *[local_request(spec, text, wanted="embedding") for text in texts])
    provider.close()
    return np.array([reply.vector() for reply in replies])


def triplets(count: int) -> pl.DataFrame:
    """Anchors on four topics, each with a positive on its own and a negative on the next; up to 41 have other texts."""
    topics, others = WORDS[:8], WORDS[8:]
    ends = [others[row % len(others)] for row in range(count)]
    return pl.DataFrame(
        {
            "question": [f"{topics[row % 4]} {end}" for row, end in enumerate(ends)],
            "answer": [f"{topics[4 + row % 4]} {end}" for row, end in enumerate(ends)],
            "other": [f"{topics[4 + (row + 1) % 4]} {end}" for row, end in enumerate(ends)],
            "score": [(row % 5) / 4 for row in range(count)],
        },
        schema={"question": pl.String, "answer": pl.String, "other": pl.String, "score": pl.Float64},
    )
