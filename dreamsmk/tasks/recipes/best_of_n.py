"""The best of n replies to each row (best-of-n or rejection sampling; Stiennon et al., 2020; Nakano et al., 2021).

Contract: the best is the reply with the highest score, the first of several. A sample that failed or has no score is
never the best; a row without any other fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.requests import Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.generations import GENERATIONS
from dreamsmk.tasks.prompting.inputs import check_inputs, read_carried, read_inputs
from dreamsmk.tasks.prompting.templates import reads
from dreamsmk.tasks.recipes.made_rows import FailedRows, MadeRows, write_made
from dreamsmk.tasks.recipes.passes import Passes
from dreamsmk.tasks.recipes.samples import (
    INPUTS,
    Outcome,
    ask_samples,
    first_failure,
    lenient,
    row_prompts,
    sample_columns,
    sampled_rows,
)
from dreamsmk.tasks.recipes.scoring import ask_judge, judged_scores, scorer_of, way_of
from dreamsmk.tasks.unchanged import rows

__all__ = ["best_of_n", "columns", "plan", "reads", "rows"]

TEMPERATURE = 1.0
HINT = "look at the scores with max_failures and all=True, or make the rubric clearer"


def best_of_n(context: Context) -> None:
    """Samples n replies a row and keeps the best."""
    way, texts = way_of(context.params), read_inputs(context)
    prompts = row_prompts(context, texts)
    samples: Iterable[list[list[Outcome]]] = sampled_rows(
        context, ask_samples(context, prompts, temperature=TEMPERATURE)
    )
    if way == "judge":
        # one model at a time: all is written before anything is judged
        samples = [[row for rows in samples for row in rows]]
    write_made(context, _names(context.params), _made(context, texts, prompts, samples))


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


def _made(
    context: Context, texts: Sequence[str], prompts: Sequence[str], samples: Iterable[list[list[Outcome]]]
) -> Iterator[MadeRows]:
    """Yields the rows of the table."""
    import polars

    carried, failed = read_carried(context), FailedRows()
    types = {
        "score": polars.Float64(),
        "sample": polars.Int64(),
        "candidates": polars.List(polars.String()),
        "scores": polars.List(polars.Float64()),
    }
    for written in samples:
        part = slice(failed.rows, failed.rows + len(written))
        scores = _scores(context, prompts[part], written)
        best = [_best(row) for row in scores]
        outcomes = [
            row[index] if index is not None else first_failure(row, "no sample has a score")
            for row, index in zip(written, best, strict=True)
        ]
        failed.add(outcomes)
        # Any: cells.
        columns_made: dict[str, Sequence[Any]] = {
            INPUTS: texts[part],
            "score": [None if index is None else row[index] for row, index in zip(scores, best, strict=True)],
            "sample": best,
            "candidates": [[each.text if isinstance(each, Response) else None for each in row] for row in written],
            "scores": scores,
        }
        columns_made |= {name: column[part] for name, column in carried.items()}
        yield MadeRows(columns_made, types, outcomes, prompts[part])
    failed.check(context.params["max_failures"], hint=HINT)


def _best(scores: Sequence[float | None]) -> int | None:
    """Returns the index of the first of the highest scores; None where there is none."""
    scored = [(score, -index) for index, score in enumerate(scores) if score is not None]
    return -max(scored)[1] if scored else None
