"""What a model makes of each row, told by one instruction (`ProcessWithPrompt` in DataDreamer, ACL 2024).

Contract: one call a row, rows in the order of the input; rows with equal texts share one call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.generations import generation_columns, read_texts, write_generations
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.prompting.sampling import sampling_of

INPUTS = "inputs"


def process_with_prompt(context: Context) -> None:
    """Asks a model once for each row."""
    texts = read_texts(context.input(), context.params["inputs"])
    asked = _ask(context, texts)
    context.facts["rows"] = write_generations(
        context.output(), context.params, {INPUTS: texts}, asked.prompts, asked.answer()
    )


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context, read_texts(context.input(), context.params["inputs"]))


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return {"table": generation_columns(params, [INPUTS])}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: that of the input."""
    return {"table": inputs.get("table")}


def _ask(context: Context, texts: Sequence[str]) -> Asked:
    params = context.params
    instruction = read_instruction(context)
    prompts = [
        process_prompt(
            text,
            instruction,
            input_label=params["input_label"],
            instruction_label=params["instruction_label"],
            separator=params["separator"],
        )
        for text in texts
    ]
    model = context.model(params["model"])
    return Asked(model, prompts, model.requests(prompts, system=params["system_prompt"], **sampling_of(params)))
