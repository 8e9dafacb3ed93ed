"""Rows with fields that a model reads out of each: a schema makes the columns.

Contract: as `process_with_prompt` with a schema, except that the rows keep all their columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.judging.beside import Verdicts, beside_columns, write_beside
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.inputs import check_inputs, instructed, read_inputs
from dreamsmk.tasks.prompting.instruction import given_instruction
from dreamsmk.tasks.prompting.reply_schema import ROLE, ReplySchema, field_names, read_reply_schema
from dreamsmk.tasks.prompting.templates import reads
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "extract", "plan", "reads", "rows"]

INSTRUCTION = "Extract the fields from the input. Use only what it says."


def extract(context: Context) -> None:
    """Writes the rows with their fields."""
    asked, schema = _ask(context)
    types = {name: shape.dtype() for name, shape in schema.fields.items()}
    verdicts = Verdicts(types, lambda row, replies: schema.cells(replies[0].text))
    context.facts["rows"], context.facts["failed_rows"] = write_beside(context, asked, verdicts, context.output())


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: those of the input, the fields, and what is kept of the calls."""
    check_inputs(params, inputs)
    if params[ROLE] is None and ROLE not in inputs:
        raise _missing()
    return {"table": beside_columns(params, inputs.get("table"), field_names(params, inputs))}


def _ask(context: Context) -> tuple[Asked, ReplySchema]:
    params, schema = context.params, read_reply_schema(context)
    if schema is None:
        raise _missing()
    prompts = instructed(read_inputs(context), params, given_instruction(context) or INSTRUCTION)
    return ask(context.model(params["model"]), params, prompts, schema=schema), schema


def _missing() -> SettingsError:
    hint = "give params: schema={…} or input: schema=…"
    return SettingsError("the fields to extract are not said", where="params.schema", hint=hint)
