"""What a model says to each row, as it is or as a template shows it (`Prompt` in DataDreamer, ACL 2024).

Contract: one call a row, rows in the order of the input; a row's call depends on that row alone, and rows with equal
prompts share one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.generations import generation_columns, write_generations
from dreamsmk.tasks.prompting.images import read_images
from dreamsmk.tasks.prompting.inputs import check_inputs, read_carried, read_inputs
from dreamsmk.tasks.prompting.reply_schema import ReplySchema, field_names, read_reply_schema
from dreamsmk.tasks.prompting.templates import reads
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "plan", "prompt", "reads", "rows"]

PROMPTS = "prompts"


def prompt(context: Context) -> None:
    """Asks a model once for each row."""
    texts = read_inputs(context)
    asked, schema = _ask(context, texts)
    context = dataclasses.replace(context, params=_without_prompts(context.params))
    write_generations(context, {**read_carried(context), PROMPTS: texts}, asked, schema)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context, read_inputs(context))[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    check_inputs(params, inputs)
    leading, fields = [*params["carry"], PROMPTS], field_names(params, inputs)
    return {"table": generation_columns(_without_prompts(params), leading, fields)}


# Any: JSON.
def _without_prompts(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters without what `keep` calls prompts: this rule has them as a column in any case."""
    return {**params, "keep": [name for name in params["keep"] if name != PROMPTS]}


def _ask(context: Context, texts: Sequence[str]) -> tuple[Asked, ReplySchema | None]:
    params, schema = context.params, read_reply_schema(context)
    model = context.model(params["model"])
    return ask(model, params, texts, schema=schema, images=read_images(context)), schema
