"""Which of two answers to a prompt is better (`JudgeGenerationPairsWithPrompt` in DataDreamer); see `pairs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.judging.pairs import ask_pairs, judge_pairs, pair_columns


def judge_generation_pairs_with_prompt(context: Context) -> None:
    """Writes the table with the judgements."""
    judge_pairs(context)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield ask_pairs(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return pair_columns(params, inputs)


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: that of the input."""
    return {"table": inputs.get("table")}
