"""Scores of what models write: the task.

Contract: everything that can be wrong with the parameters, the tables and the tokens of all that is compared is found
before the first metric is measured. The same rows give the same scores, intervals and plot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TableError, nearest
from dreamsmk.providers.base import check_packages
from dreamsmk.tables import row_count, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.evaluation.beside import check_alike, row_columns, write_rows
from dreamsmk.tasks.evaluation.candidates import BY_NAME, JUDGEMENT, Candidate, candidates_of, names_of
from dreamsmk.tasks.evaluation.catalogue import PACKAGES, Family, beside_of, lines_of, of_family
from dreamsmk.tasks.evaluation.confusion import confusion_frame
from dreamsmk.tasks.evaluation.labels import prepare_labels, read_labels
from dreamsmk.tasks.evaluation.measured import Work
from dreamsmk.tasks.evaluation.perplexity import prepare_perplexity
from dreamsmk.tasks.evaluation.plot import draw_scores
from dreamsmk.tasks.evaluation.scores import Score, groups_of, score_columns, scores_frame, scores_of, types_of
from dreamsmk.tasks.evaluation.texts import prepare_texts
from dreamsmk.tasks.evaluation.verdicts import prepare_verdicts
from dreamsmk.tasks.figures import check_plot

if TYPE_CHECKING:
    import polars as pl

_PREPARE: dict[Family, Callable[[Context, Candidate], Work]] = {
    "texts": prepare_texts,
    "labels": prepare_labels,
    "perplexity": prepare_perplexity,
    "verdicts": prepare_verdicts,
}
# The scores that a record shows; all of them are in the table.
_RECORDED = 50


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the tables."""
    names, source = names_of(params), inputs.get("table")
    is_unnamed = "win_rate" in params["metrics"] and params["verdicts"] is None
    if source is not None and is_unnamed and JUDGEMENT not in source:
        # the one column that is read without being named
        fault = f"the input 'table' has no column {JUDGEMENT!r}"
        raise TableError(fault, where="params.verdicts", hint=nearest(JUDGEMENT, source))
    scores = score_columns(params, names)
    rows = row_columns(source or (), beside_of(params["metrics"]), has_names=names is not None)
    is_known = source is not None and len(set(rows)) == len(rows)
    return {"scores": scores, "rows": rows if is_known else None, "confusion": None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each table; None where only the groups or the labels decide it."""
    count = len(names_of(params) or ("",)) * len(lines_of(params["metrics"]))
    # with columns or models by name each row may be there once for each
    is_by_name = any(isinstance(params[field], Mapping) for field in BY_NAME)
    return {
        "scores": None if params["by"] else count,
        "rows": None if is_by_name else inputs.get("table"),
        "confusion": None,
    }


def evaluate(context: Context) -> None:
    """Measures every metric on everything that is compared.

    Raises:
        SettingsError: Parameters are missing or contradict each other.
        TableError: Columns or cells are not what the metrics need.
        TrainingError: Rows do not fit the model whose perplexity is asked for.
        MissingExtra: A package that a metric needs is not installed.
    """
    metrics: list[str] = context.params["metrics"]
    candidates = candidates_of(context.params, context.inputs["table"])
    has_names = candidates[0].name is not None
    _check(context, candidates)
    by = types_of(context.params["by"], context.inputs["table"])
    families = [family for family in _PREPARE if of_family(metrics, family)]
    groups = [groups_of(context, candidate) for candidate in candidates]
    works = [[_PREPARE[family](context, candidate) for family in families] for candidate in candidates]
    if "confusion" in context.outputs:
        labels = [read_labels(context, candidate) for candidate in candidates]
        write_table(confusion_frame(candidates, labels, groups, by), context.output("confusion"))

    scores: list[Score] = []
    beside: list[dict[str, pl.Series]] = []
    for candidate, work, found in zip(candidates, works, groups, strict=True):
        measurements = [measure() for measure in work]
        measured = [one for measurement in measurements for one in measurement.measured]
        scores += scores_of(context, candidate, found, measured, lines_of(metrics))
        beside.append({name: column for one in measurements for name, column in one.beside.items()})
    write_table(scores_frame(scores, by, has_names=has_names), context.output("scores"))
    if "rows" in context.outputs:
        write_rows(context.output("rows"), candidates, beside, beside_of(metrics))
    if "plot" in context.outputs:
        _tell_letters(context, draw_scores(scores, context.params["title"], context.output("plot")))
    _record(context, candidates, scores)


def _check(context: Context, candidates: Sequence[Candidate]) -> None:
    """Finds what can be known to be wrong before any cell is read."""
    metrics: list[str] = context.params["metrics"]
    score_columns(context.params, names_of(context.params))
    if "plot" in context.outputs:
        check_plot(context.output("plot"))
    check_packages(dict.fromkeys(PACKAGES[name] for name in metrics if name in PACKAGES), "evaluate")
    if "rows" in context.outputs:
        check_alike(candidates, beside_of(metrics))


def _tell_letters(context: Context, lacking: str) -> None:
    if lacking:
        context.progress.note(f"the font of the plot lacks {lacking}, and shows boxes")


def _record(context: Context, candidates: Sequence[Candidate], scores: Sequence[Score]) -> None:
    """Says in the record what was measured."""
    by = context.params["by"]
    context.facts["rows"] = sum(row_count(path) for path in dict.fromkeys(c.table for c in candidates))
    context.facts["scores"] = [
        {
            **({} if score.name is None else {"name": score.name}),
            **dict(zip(by, map(str, score.group or ()), strict=False)),
            **{field: getattr(score, field) for field in ("metric", "value", "low", "high", "rows")},
        }
        for score in scores[:_RECORDED]
    ]
