"""n samples of what a model writes for one instruction (`DataFromPrompt` in DataDreamer, ACL 2024).

Contract: each sample has its own index in the key of its call, so that n samples are n calls even where the texts are
the same, a sample stays what it is for ever, and raising n pays for the new ones alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.generations import generation_columns, write_generations
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.reply_schema import ReplySchema, field_names, read_reply_schema
from dreamsmk.tasks.prompting.sampling import TEMPERATURE, varied


def data_from_prompt(context: Context) -> None:
    """Asks a model n times for the same thing."""
    asked, schema = _ask(context)
    write_generations(context, {}, asked, schema)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return {"table": generation_columns(params, [], field_names(params, inputs))}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: n."""
    return {"table": params["n"]}


def _ask(context: Context) -> tuple[Asked, ReplySchema | None]:
    params = context.params
    instruction, schema = read_instruction(context), read_reply_schema(context)
    model = context.model(params["model"])
    n, sampling = params["n"], varied(context, model, TEMPERATURE)
    return ask(model, params, [instruction] * n, schema=schema, samples=range(n), **sampling), schema
