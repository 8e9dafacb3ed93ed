"""What a model makes of each row after some examples (`FewShotPrompt` in DataDreamer; Brown et al. 2020).

Contract: examples stand in the prompt in the order of their table, as many as there is room for (see `budget`); the
input is never cut. One call a row, rows in the order of the input; a row's call depends on that row, the examples and
the parameters alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.budget import ExampleBudget
from dreamsmk.tasks.prompting.generations import generation_columns, read_texts, write_generations
from dreamsmk.tasks.prompting.inputs import read_carried
from dreamsmk.tasks.prompting.instruction import given_instruction
from dreamsmk.tasks.prompting.layout import few_shot_parts
from dreamsmk.tasks.prompting.reply_schema import ReplySchema, field_names, read_reply_schema
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "few_shot_prompt", "plan", "rows"]

INPUTS = "inputs"


def few_shot_prompt(context: Context) -> None:
    """Asks a model once for each row, with examples before it."""
    texts = read_texts(context.input(), context.params["inputs"])
    asked, schema = _ask(context, texts)
    write_generations(context, {**read_carried(context), INPUTS: texts}, asked, schema)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context, read_texts(context.input(), context.params["inputs"]))[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    ExampleBudget(None, len, least=params["min_examples"], most=params["max_examples"])  # raises where they contradict
    return {"table": generation_columns(params, [*params["carry"], INPUTS], field_names(params, inputs))}


def _ask(context: Context, texts: Sequence[str]) -> tuple[Asked, ReplySchema | None]:
    params, schema, table = context.params, read_reply_schema(context), context.input("examples")
    pairs = zip(read_texts(table, params["input_examples"]), read_texts(table, params["output_examples"]), strict=True)
    parts = few_shot_parts(
        list(pairs),
        given_instruction(context),
        input_label=params["input_label"],
        output_label=params["output_label"],
        separator=params["separator"],
    )
    model = context.model(params["model"])
    budget = ExampleBudget.of(context, model, schema)
    prompts, shown, where = [], [], f"{context.input()}, row"
    for number, text in enumerate(texts):
        tail = parts.tail(text)
        chosen = budget.choose(parts.head, parts.examples, tail, where=f"{where} {number} (from 0)")
        shown.append(len(chosen))
        prompts.append(parts.head + "".join(parts.examples[index] for index in chosen) + tail)
    context.facts["examples"] = {"given": len(parts.examples), "fewest": min(shown, default=0)}
    context.facts["examples"]["most"] = max(shown, default=0)
    return ask(model, params, prompts, schema=schema), schema
