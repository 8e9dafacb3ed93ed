"""What a model makes of each row, told by one instruction (`ProcessWithPrompt` in DataDreamer, ACL 2024).

Contract: one call a row, rows in the order of the input; rows with equal texts share one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Context
from dreamsmk.tasks.prompting.generations import generation_columns, read_texts, write_generations
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.prompting.sampling import sampling_of

INPUTS = "inputs"


def process_with_prompt(context: Context) -> None:
    """Asks a model once for each row."""
    params = context.params
    instruction = read_instruction(context)
    texts = read_texts(context.input(), params["inputs"])
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
    requests = model.requests(prompts, system=params["system_prompt"], **sampling_of(params))
    replies = model.answer(requests, total=len(texts))
    context.facts["rows"] = write_generations(context.output(), params, {INPUTS: texts}, prompts, replies)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return {"table": generation_columns(params, [INPUTS])}
