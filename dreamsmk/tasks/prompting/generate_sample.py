"""What several models write for the same few rows, side by side: before and after a training, say.

Contract: every model gets the very same prompts, laid out as `process_with_prompt` and `fine_tune` lay them out. What a
model writes is shown as it came, also where it follows a schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.requests import Response
from dreamsmk.tables import TableWriter
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.naming import distinct
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.generations import FAILURE, failure_text, read_texts
from dreamsmk.tasks.prompting.inputs import instructed
from dreamsmk.tasks.prompting.reply_schema import field_names, read_reply_schema


def generate_sample(context: Context) -> None:
    """Asks each model for the first rows of a table."""
    params = context.params
    names = _names(params)
    texts = _first_texts(context, params["inputs"])
    shown: dict[str, Sequence[str | None]] = {params["inputs"]: texts}
    if params["outputs"] is not None:
        shown[params["outputs"]] = _first_texts(context, params["outputs"])
    reasons: list[list[str]] = [[] for _ in texts]
    for column, asked in zip(params["models"], _ask(context, texts), strict=True):
        context.progress.note(f"{params['models'][column]} writes {len(asked.prompts)} texts")
        outcomes = list(asked.outcomes())
        shown[column] = [outcome.text if isinstance(outcome, Response) else None for outcome in outcomes]
        for row, outcome in enumerate(outcomes):
            reasons[row] += [f"{column}: {text}"] if (text := failure_text(outcome)) else []
    if params["max_failures"]:
        shown[FAILURE] = ["; ".join(said) or None for said in reasons]
    with TableWriter(context.output(), columns=dict.fromkeys(names, "String")) as table:
        table.write({name: shown[name] for name in names})
    context.facts["rows"] = len(texts)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask each model."""
    yield from _ask(context, _first_texts(context, context.params["inputs"]))


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    field_names(params, inputs)  # raises for a wrong schema
    return {"table": _names(params)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: n, or fewer where the table has no more."""
    have = inputs.get("table")
    return {"table": None if have is None else min(params["n"], have)}


def _first_texts(context: Context, column: str) -> list[str]:
    return read_texts(context.input(), column, rows=context.params["n"])


def _ask(context: Context, texts: Sequence[str]) -> Iterator[Asked]:
    params, schema = context.params, read_reply_schema(context)
    prompts = instructed(texts, params, params["instruction"])
    for alias in params["models"].values():
        yield ask(context.model(alias), params, prompts, schema=schema)


def _names(params: Mapping[str, Any]) -> list[str]:
    names = [name for name in (params["inputs"], params["outputs"]) if name is not None] + list(params["models"])
    if params["max_failures"]:
        names.append(FAILURE)
    return distinct(names, where="models")
