"""n texts that a model writes, each for one combination of attributes (`DataFromAttributedPrompt` in DataDreamer).

Contract: rows go through the combinations in their order, and again from the first until there are n; the labels of a
row are those of its prompt. Rows with the same prompt are samples of it, numbered in their order, so that a sample
stays what it is for ever, and raising n pays for the new ones alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.attributes import attribute_types, check_names, combinations, instruction_of
from dreamsmk.tasks.prompting.generations import generation_columns, write_generations
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.reply_schema import ReplySchema, field_names, read_reply_schema
from dreamsmk.tasks.prompting.sampling import TEMPERATURE, varied
from dreamsmk.tasks.prompting.templates import Template, read_template


def data_from_attributed_prompt(context: Context) -> None:
    """Asks a model for each combination of attributes."""
    import polars as pl

    chosen = _chosen(context.params)
    asked, schema = _ask(context, chosen)
    labels: dict[str, Any] = {  # Any: polars' series, where others are lists
        name: pl.Series(name, [combination[name] for combination in chosen], dtype=getattr(pl, dtype))
        for name, dtype in attribute_types(chosen).items()
    }
    write_generations(context, labels, asked, schema)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context, _chosen(context.params))[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: the attributes, then those of the replies."""
    chosen = _chosen(params)
    attribute_types(chosen)
    names = list(chosen[0])
    if params["instruction"] is not None and params["template"] is None:
        check_names(instruction_of(params["instruction"], None, "params.instruction"), names, "params.instruction")
    if params["template"] is not None:
        check_names(Template.of(params["template"], where="params.template"), names, "params.template")
    return {"table": generation_columns(params, names, field_names(params, inputs))}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: n, or one for each combination."""
    return {"table": params["n"] or len(combinations(params["attributes"]))}


# Any: JSON.
def _chosen(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the combination of each row."""
    every = combinations(params["attributes"])
    return [every[row % len(every)] for row in range(params["n"] or len(every))]


# Any: JSON.
def _ask(context: Context, chosen: Sequence[Mapping[str, Any]]) -> tuple[Asked, ReplySchema | None]:
    params, template, schema = context.params, read_template(context), read_reply_schema(context)
    is_written = params["instruction"] is not None or bool(context.inputs.get("instruction"))
    if is_written == (template is not None):
        fault = "said twice" if is_written else "not said"
        raise SettingsError(
            f"what the model is asked is {fault}", where="params", hint="give either instruction=… or template=…"
        )
    text = read_instruction(context) if is_written else None
    instruction = instruction_of(text, template, "the instruction")
    check_names(instruction, list(chosen[0]), "the instruction")
    prompts = [instruction.render(combination, where=f"row {row}") for row, combination in enumerate(chosen)]
    model = context.model(params["model"])
    sampling = varied(context, model, TEMPERATURE)
    return ask(model, params, prompts, schema=schema, samples=_occurrences(prompts), **sampling), schema


def _occurrences(prompts: Sequence[str]) -> list[int]:
    """Returns how often each prompt stood before."""
    seen: Counter[str] = Counter()
    numbers = []
    for prompt in prompts:
        numbers.append(seen[prompt])
        seen[prompt] += 1
    return numbers
