"""Lines of plans, for these tests."""

from __future__ import annotations

from typing import Any

from dreamsmk.smk.planning import JobLine, ModelLine


def model_line(**values: Any) -> ModelLine:
    usual = {
        "alias": "teacher",
        "model": "gpt",
        "requests": 10,
        "cached": 4,
        "to_make": 6,
        "input_tokens": 600,
        "output_tokens": 1200,
        "output_basis": "max_tokens",
        "cost_usd": 0.5,
        "prices": "config",
    }
    return ModelLine(**{**usual, **values})


def job_line(*models: ModelLine, **values: Any) -> JobLine:
    usual = {
        "rule": "tweets",
        "task": "process_with_prompt",
        "wildcards": {},
        "outputs": ["results/tweets.parquet"],
        "why": "missing output",
        "action": "run",
        "is_estimate": False,
        "rows": 10,
        "gpu_hours": None,
    }
    return JobLine(**{**usual, "models": models, **values})
