"""Rows with the label that a model gives each: one of a list, or several.

Contract: a label is JSON that follows a schema with just these labels, to which the provider holds the model where it
can; a reply that is none of them fails its row, so that no other label gets into the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.requests import Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.judging.beside import Verdicts, beside_columns, write_beside
from dreamsmk.tasks.judging.forms import schema_of
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.inputs import check_inputs, instructed, read_inputs
from dreamsmk.tasks.prompting.instruction import given_instruction
from dreamsmk.tasks.prompting.reply_schema import ReplySchema
from dreamsmk.tasks.prompting.templates import reads
from dreamsmk.tasks.unchanged import rows

__all__ = ["classify", "columns", "plan", "reads", "rows"]

LABEL, LABELS = "label", "labels"


def classify(context: Context) -> None:
    """Writes the rows with their labels."""
    asked, schema = _ask(context)
    counts = dict.fromkeys(context.params["labels"], 0)

    # Any: cells.
    def read(row: int, replies: Sequence[Response]) -> Mapping[str, Any]:
        cells = schema.cells(replies[0].text)
        if LABELS in cells:
            cells[LABELS] = list(dict.fromkeys(cells[LABELS]))
        for label in cells.get(LABELS, [cells.get(LABEL)]):
            counts[label] += 1
        return cells

    verdicts = Verdicts({name: shape.dtype() for name, shape in schema.fields.items()}, read)
    context.facts["rows"], context.facts["failed_rows"] = write_beside(context, asked, verdicts, context.output())
    context.facts["labels"] = counts


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: those of the input, the label, and what is kept of the calls."""
    check_inputs(params, inputs)
    return {"table": beside_columns(params, inputs.get("table"), [LABELS if params["multi_label"] else LABEL])}


def _ask(context: Context) -> tuple[Asked, ReplySchema]:
    params, labels = context.params, list(context.params["labels"])
    one = {"type": "string", "enum": labels}
    schema = schema_of({LABELS: {"type": "array", "items": one}} if params["multi_label"] else {LABEL: one})
    usual = "Give the input every label that fits." if params["multi_label"] else "Give the input its label."
    instruction = given_instruction(context) or usual
    # not every model is shown the schema that it is held to
    said = "\n".join(_described(label, params["labels"]) for label in labels)
    prompts = instructed(read_inputs(context), params, f"{instruction}\n\nLabels:\n{said}")
    return ask(context.model(params["model"]), params, prompts, schema=schema), schema


def _described(label: str, labels: Sequence[str] | Mapping[str, str]) -> str:
    return f"- {label}: {labels[label]}" if isinstance(labels, Mapping) else f"- {label}"
