"""Which of two texts of a row is better (`JudgePairsWithPrompt` in DataDreamer, ACL 2024); see `pairs`."""

from __future__ import annotations

from dreamsmk.tasks.context import Context
from dreamsmk.tasks.judging.pairs import columns, judge_pairs, plan
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "judge_pairs_with_prompt", "plan", "rows"]


def judge_pairs_with_prompt(context: Context) -> None:
    """Writes the table with the judgements."""
    judge_pairs(context)
