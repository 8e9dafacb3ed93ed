"""The best of n replies to each row (best-of-n or rejection sampling; Stiennon et al., 2020; Nakano et al., 2021).

Contract: the best is the reply with the highest score, the first of several. A sample that failed or has no score is
never the best; a row without any other fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.requests import Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.generations import GENERATIONS
from dreamsmk.tasks.prompting.inputs import check_inputs, read_carried, read_inputs
from dreamsmk.tasks.prompting.templates import template_columns
from dreamsmk.tasks.recipes.made_rows import MadeRows, check_failed
from dreamsmk.tasks.recipes.passes import Passes
from dreamsmk.tasks.recipes.samples import (
    INPUTS,
    Outcome,
    ask_samples,
    first_failure,
    lenient,
    row_prompts,
    sample_columns,
    samples_by_row,
)
from dreamsmk.tasks.recipes.scoring import ask_judge, judged_scores, scorer_of, way_of

TEMPERATURE = 1.0
HINT = "look at the scores with max_failures and all=True, or make the rubric clearer"


@dataclass(frozen=True, slots=True)
class Row:
    """What was sampled for one row, and how good each is; None without a score."""

    text: str
    samples: list[Outcome]
    scores: list[float | None]

    @property
    def best(self) -> int | None:
        """The index of the best sample."""
        scored = [(score, -index) for index, score in enumerate(self.scores) if score is not None]
        return -max(scored)[1] if scored else None


def best_of_n(context: Context) -> None:
    """Samples n replies a row and keeps the best."""
    way_of(context.params)
    texts = read_inputs(context)
    prompts = row_prompts(context, texts)
    samples = list(samples_by_row(context, ask_samples(context, prompts, temperature=TEMPERATURE)))
    scores = _scores(context, prompts, samples)
    _write(context, [Row(*made) for made in zip(texts, samples, scores, strict=True)], prompts)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask: the samples, and the judge as often, about texts that are not there yet."""
    prompts = row_prompts(context, read_inputs(context))
    yield ask_samples(context, prompts, temperature=TEMPERATURE)
    if way_of(context.params) == "judge":
        pairs = [(prompt, f"{prompt} ({sample})") for prompt in prompts for sample in range(context.params["n"])]
        yield ask_judge(context, pairs, max_failures=context.params["max_failures"])


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table.

    Raises:
        SettingsError: Nothing says how replies are scored, or several parameters do.
    """
    check_inputs(params, inputs)
    way_of(params)
    return {"table": _names(params)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: that of the input."""
    return {"table": inputs.get("table")}


# Any: JSON.
def reads(params: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Returns the columns that the template reads."""
    return template_columns(params, files)


# Any: JSON.
def _names(params: Mapping[str, Any]) -> list[str]:
    fields = ["score", "sample", *(["candidates", "scores"] if params["all"] else [])]
    return sample_columns({**params, "keep": [*params["keep"], GENERATIONS]}, fields)


def _scores(context: Context, prompts: Sequence[str], samples: Sequence[list[Outcome]]) -> list[list[float | None]]:
    params = context.params
    replies = {
        (row, sample): (prompts[row], outcome.text)
        for row, outcomes in enumerate(samples)
        for sample, outcome in enumerate(outcomes)
        if isinstance(outcome, Response)
    }
    if way_of(params) == "judge":
        allowed = lenient(params["max_failures"], len(replies))
        verdicts = Passes(allowed).outcomes(ask_judge(context, list(replies.values()), max_failures=allowed))
        found = judged_scores(params["judge"], verdicts)
        context.facts["unscored"] = found.count(None)
    else:
        score = scorer_of(params)
        found = [score(prompt, reply) for prompt, reply in replies.values()]
    by_place = dict(zip(replies, found, strict=True))
    return [[by_place.get((row, sample)) for sample in range(len(outcomes))] for row, outcomes in enumerate(samples)]


def _write(context: Context, made: Sequence[Row], prompts: Sequence[str]) -> None:
    import polars

    best = [row.best for row in made]
    outcomes = [
        row.samples[index] if index is not None else first_failure(row.samples, "no sample has a score")
        for row, index in zip(made, best, strict=True)
    ]
    check_failed(outcomes, context.params["max_failures"], hint=HINT)
    texts = [[each.text if isinstance(each, Response) else None for each in row.samples] for row in made]
    # Any: cells.
    columns_made: dict[str, Sequence[Any]] = {
        INPUTS: [row.text for row in made],
        "score": [None if index is None else row.scores[index] for row, index in zip(made, best, strict=True)],
        "sample": best,
        "candidates": texts,
        "scores": [row.scores for row in made],
    }
    types = {
        "score": polars.Float64(),
        "sample": polars.Int64(),
        "candidates": polars.List(polars.String()),
        "scores": polars.List(polars.Float64()),
    }
    MadeRows(read_carried(context) | columns_made, types, outcomes, prompts).write(context, _names(context.params))
