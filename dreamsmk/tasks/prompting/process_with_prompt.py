"""What a model makes of each row, told by one instruction (`ProcessWithPrompt` in DataDreamer, ACL 2024).

Contract: one call a row, rows in the order of the input; rows with equal texts share one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.generations import generation_columns, read_texts, write_generations
from dreamsmk.tasks.prompting.images import read_images
from dreamsmk.tasks.prompting.inputs import instructed
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.reply_schema import ReplySchema, field_names, read_reply_schema
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "plan", "process_with_prompt", "rows"]

INPUTS = "inputs"


def process_with_prompt(context: Context) -> None:
    """Asks a model once for each row."""
    texts = read_texts(context.input(), context.params["inputs"])
    asked, schema = _ask(context, texts)
    write_generations(context, {INPUTS: texts}, asked, schema)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context, read_texts(context.input(), context.params["inputs"]))[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return {"table": generation_columns(params, [INPUTS], field_names(params, inputs))}


def _ask(context: Context, texts: Sequence[str]) -> tuple[Asked, ReplySchema | None]:
    params = context.params
    instruction, schema, images = read_instruction(context), read_reply_schema(context), read_images(context)
    model = context.model(params["model"])
    return ask(model, params, instructed(texts, params, instruction), schema=schema, images=images), schema
