"""Which of two answers to a prompt is better (`JudgeGenerationPairsWithPrompt` in DataDreamer); see `pairs`."""

from __future__ import annotations

from dreamsmk.tasks.context import Context
from dreamsmk.tasks.judging.pairs import columns, judge_pairs, plan
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "judge_generation_pairs_with_prompt", "plan", "rows"]


def judge_generation_pairs_with_prompt(context: Context) -> None:
    """Writes the table with the judgements."""
    judge_pairs(context)
