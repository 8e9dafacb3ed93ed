"""What a classifier says of each text: a score for every label, and the best of them (`RunTaskModel` in DataDreamer).

Contract: rows stay in their order and keep their columns; rows with equal texts share one call. Every row has a score
for the same labels, in the order of the parameter `labels`, else sorted. Of equal scores the first label is the best.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import ProviderError, SettingsError, nearest
from dreamsmk.requests import Failure, Response
from dreamsmk.tables import TableWriter, scan_table
from dreamsmk.tasks.batches import batches_of
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.naming import widened
from dreamsmk.tasks.prompting.generations import FAILURE, failure_text
from dreamsmk.tasks.retrieval.texts import PROBE, Texts, ask_of_texts, batch_rows, counted_cut, refuse_cut
from dreamsmk.tasks.unchanged import rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["columns", "plan", "rows", "run_task_model"]

LABEL, SCORES = "label", "scores"


def run_task_model(context: Context) -> None:
    """Asks a classifier about each text, and writes what it says beside the texts."""
    params, source = context.params, context.input()
    types = dict(scan_table(source).collect_schema())
    names = widened(list(types), _added(params), params)
    assert names is not None
    outcomes, labels = _labels(context, counted_cut(_ask(context).outcomes(), context.facts))
    new = dict(zip(names[len(types) :], _types(params, labels), strict=True))
    with TableWriter(context.output(), columns=types | new) as table:
        for frame in batches_of(source, batch_rows(source)):
            has_text = frame[params["texts"]].is_not_null().to_list()
            found = iter(list(itertools.islice(outcomes, sum(has_text))))
            row_outcomes = [next(found) if has else None for has in has_text]
            columns = _columns(params, labels, row_outcomes)
            table.write(frame.with_columns(*_series(columns, new)))
        for _ in outcomes:
            raise AssertionError("there are more replies than texts")
    context.facts |= {"rows": table.rows, "labels": labels}


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    asked = _ask(context)
    yield asked
    if not len(asked.prompts) and context.params["labels"] is None:
        yield _ask_probe(context)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table, and the new ones after them."""
    return {"table": widened(inputs.get("table"), _added(params), params)}


# Any: JSON.
def _added(params: Mapping[str, Any]) -> list[str]:
    if params["layout"] == "columns" and params["labels"] is None:
        hint = "give labels, or layout: struct"
        raise SettingsError("the labels are not known, so that they cannot be columns", where="labels", hint=hint)
    scores = params["labels"] if params["layout"] == "columns" else [SCORES]
    return [LABEL, *scores, *([FAILURE] if params["max_failures"] else [])]


# Any: JSON.
def _types(params: Mapping[str, Any], labels: Sequence[str]) -> list[pl.DataType]:
    import polars as pl

    score, failure = pl.Float64(), [pl.String()] if params["max_failures"] else []
    if params["layout"] == "columns":
        return [pl.String(), *(score for _ in labels), *failure]
    return [pl.String(), pl.Struct(dict.fromkeys(labels, score)), *failure]


def _ask(context: Context) -> Asked:
    params = context.params
    return ask_of_texts(
        context.model(params["model"]),
        Texts(context.input(), [params["texts"]], keeps_nulls=params["nulls"] == "keep"),
        "labels",
        judge=None if params["truncate"] else refuse_cut,
        max_failures=params["max_failures"],
    )


def _ask_probe(context: Context) -> Asked:
    return ask_of_texts(context.model(context.params["model"]), [PROBE], "labels")


def _labels(context: Context, outcomes: Iterator[Response | Failure]) -> tuple[Iterator[Response | Failure], list[str]]:
    """Returns the outcomes, and the labels: those that are given, else those of the first reply, or of one more."""
    given: list[str] | None = context.params["labels"]
    if given is not None:
        return outcomes, given
    waiting: list[Response | Failure] = []
    for outcome in outcomes:
        waiting.append(outcome)
        if isinstance(outcome, Response):
            break
    replies = [outcome for outcome in waiting if isinstance(outcome, Response)]
    first = replies[0] if replies else next(_ask_probe(context).outcomes())
    assert isinstance(first, Response)
    return itertools.chain(waiting, outcomes), sorted(first.labels or {})


# Any: cells.
def _columns(
    params: Mapping[str, Any], labels: Sequence[str], outcomes: Sequence[Response | Failure | None]
) -> list[list[Any]]:
    """Returns the cells of the new columns."""
    scores = [_scores(outcome, labels) if isinstance(outcome, Response) else None for outcome in outcomes]
    best = [None if row is None else max(labels, key=row.__getitem__) for row in scores]
    if params["layout"] == "columns":
        columns: list[list[Any]] = [
            best,
            *([None if row is None else row[label] for row in scores] for label in labels),
        ]
    else:
        columns = [best, scores]
    if params["max_failures"]:
        columns.append([None if outcome is None else failure_text(outcome) for outcome in outcomes])
    return columns


def _scores(response: Response, labels: Sequence[str]) -> dict[str, float]:
    """Returns the score of each label, in their order.

    Raises:
        ProviderError: The reply scores others.
    """
    scores = response.labels or {}
    if scores.keys() != set(labels):
        odd = next(iter(sorted(scores.keys() ^ set(labels))))
        what = f"the model scores no label {odd!r}" if odd in labels else f"the model scores a label {odd!r} as well"
        raise ProviderError(what, where="params.labels", hint=nearest(odd, scores))
    return {label: scores[label] for label in labels}


# Any: cells.
def _series(columns: Sequence[Sequence[Any]], types: Mapping[str, pl.DataType]) -> list[pl.Series]:
    import polars as pl

    return [pl.Series(name, cells, dtype=types[name]) for name, cells in zip(types, columns, strict=True)]
