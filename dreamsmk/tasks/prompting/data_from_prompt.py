"""n samples of what a model writes for one instruction (`DataFromPrompt` in DataDreamer, ACL 2024).

Contract: each sample has its own index in the key of its call, so that n samples are n calls even where the texts are
the same, a sample stays what it is for ever, and raising n pays for the new ones alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.generations import generation_columns, write_generations
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.sampling import sampling_of

# Samples of one prompt are meant to differ; a model that samples greedily would write n times the same.
TEMPERATURE = 1.0


def data_from_prompt(context: Context) -> None:
    """Asks a model n times for the same thing."""
    asked = _ask(context)
    context.facts["rows"] = write_generations(context.output(), context.params, {}, asked.prompts, asked.answer())


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return {"table": generation_columns(params, [])}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: n."""
    return {"table": params["n"]}


def _ask(context: Context) -> Asked:
    params = context.params
    instruction = read_instruction(context)
    model = context.model(params["model"])
    n = params["n"]
    sampling = sampling_of(params)
    if "temperature" not in sampling and model.spec.temperature is None:
        sampling["temperature"] = TEMPERATURE
        context.facts["sampling"] = {"temperature": TEMPERATURE}
    prompts = [instruction] * n
    return Asked(model, prompts, model.requests(prompts, system=params["system_prompt"], samples=range(n), **sampling))
