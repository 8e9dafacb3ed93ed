"""Rows with a score that a model gives each, sorted by it (`RankWithPrompt` in DataDreamer, ACL 2024).

Contract: rows keep their columns, and rows with the same score their order. A row whose reply holds no score that can
be read has none (null): it comes last, whichever way the others are sorted, is below every threshold, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import row_count, scan_table, write_table
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.judging.beside import Verdicts, beside_columns, write_beside
from dreamsmk.tasks.judging.forms import Form
from dreamsmk.tasks.judging.verdicts import Score
from dreamsmk.tasks.prompting.inputs import check_inputs, instructed, read_inputs
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.templates import reads

__all__ = ["columns", "plan", "rank_with_prompt", "reads", "rows"]

SCORE = "score"


def rank_with_prompt(context: Context) -> None:
    """Writes the rows with their scores."""
    import polars as pl

    params = context.params
    asked, form = _ask(context)
    verdicts = Verdicts({SCORE: pl.Float64()}, lambda row, replies: {SCORE: form.verdict(replies[0])})
    is_plain = not params["sort"] and params["threshold"] is None
    scored = context.output() if is_plain else context.scratch / "scored.parquet"
    rows_asked, failed = write_beside(context, asked, verdicts, scored)
    form.tell(context)
    if not is_plain:
        name = params["columns"].get(SCORE, SCORE)
        frame = scan_table(scored)
        if params["threshold"] is not None:
            frame = frame.filter(pl.col(name) >= params["threshold"])
        if params["sort"]:
            frame = frame.sort(name, descending=params["descending"], nulls_last=True, maintain_order=True)
        write_table(frame, context.output())
        scored.unlink()
    kept = row_count(context.output())
    context.facts |= {"rows": kept, "dropped_rows": rows_asked - kept, "failed_rows": failed}


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: those of the input, the score, and what is kept of the calls."""
    check_inputs(params, inputs)
    _reader(params)
    return {"table": beside_columns(params, inputs.get("table"), [SCORE])}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows, which is not known before where there is a threshold."""
    have = inputs.get("table")
    return {"table": have if params["threshold"] is None or have == 0 else None}


def _ask(context: Context) -> tuple[Asked, Form]:
    params, reader = context.params, _reader(context.params)
    bounds = {"minimum": reader.least, "maximum": reader.most}
    verdict = {"type": "number"} | {name: bound for name, bound in bounds.items() if bound is not None}
    form = Form.of(params, reader, verdict)
    prompts = instructed(read_inputs(context), params, read_instruction(context))
    return form.ask(context.model(params["model"]), params, prompts), form


# Any: JSON.
def _reader(params: Mapping[str, Any]) -> Score:
    least, most = params["minimum"], params["maximum"]
    if least is not None and most is not None and least >= most:
        raise SettingsError("the lowest score is not below the highest", where="params.minimum")
    return Score(least, most)
