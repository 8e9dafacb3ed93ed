"""The rows of which a model says yes (`FilterWithPrompt` in DataDreamer, ACL 2024).

Contract: rows keep their columns and their order. A verdict is read as `verdicts` says; a row without one fails, is
left out or kept, as `unread` says, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.requests import Response
from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.judging.beside import Verdicts, beside_columns, write_beside
from dreamsmk.tasks.judging.forms import Form
from dreamsmk.tasks.judging.verdicts import Choice
from dreamsmk.tasks.prompting.inputs import check_inputs, instructed, read_inputs
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.templates import reads

__all__ = ["columns", "filter_with_prompt", "plan", "reads", "rows"]

YES, NO = "yes", "no"
# A name that no column of a user's has.
IS_KEPT = "\0kept"


def filter_with_prompt(context: Context) -> None:
    """Writes the rows of which the model says yes."""
    import polars as pl

    asked, form = _ask(context)
    keeps_unread = context.params["unread"] == "keep"

    # Any: cells.
    def read(row: int, replies: Sequence[Response]) -> Mapping[str, Any]:
        verdict = form.verdict(replies[0])
        return {IS_KEPT: keeps_unread if verdict is None else verdict == YES}

    verdicts = Verdicts({IS_KEPT: pl.Boolean()}, read)
    kept, failed = write_beside(context, asked, verdicts, context.output(), only=IS_KEPT)
    form.tell(context)
    context.facts |= {"rows": kept, "failed_rows": failed, "dropped_rows": row_count(context.input()) - kept - failed}


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: those of the input, and what is kept of the calls."""
    check_inputs(params, inputs)
    _reader(params)
    return {"table": beside_columns(params, inputs.get("table"), [], is_marked=False)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows, which only a table without rows knows before."""
    return {"table": 0 if inputs.get("table") == 0 else None}


def _ask(context: Context) -> tuple[Asked, Form]:
    params = context.params
    form = Form.of(params, _reader(params), {"enum": [params["yes"][0], params["no"][0]]})
    prompts = instructed(read_inputs(context), params, read_instruction(context))
    return form.ask(context.model(params["model"]), params, prompts, must_be_read=params["unread"] == "fail"), form


# Any: JSON.
def _reader(params: Mapping[str, Any]) -> Choice:
    words = [word.casefold() for word in (*params["yes"], *params["no"])]
    if len(set(words)) < len(words):
        raise SettingsError("a word stands for yes and for no, or twice", where="params.yes")
    return Choice({YES: params["yes"], NO: params["no"]}, {})
