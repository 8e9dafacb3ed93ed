"""What a model makes of each row after the examples nearest to it (`FewShotPromptWithRetrieval` in DataDreamer).

Contract: the prompts are laid out as those of `few_shot_prompt`; their examples are the row's own, best first, out of
the very table that was indexed. One call a row, rows in the order of the input. The method is that of Liu et al., "What
Makes Good In-Context Examples for GPT-3?", 2022.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.prompting.instruction import given_instruction
from dreamsmk.tasks.prompting.layout import few_shot_parts
from dreamsmk.tasks.retrieval.shown import PromptParts, plan_shown, shown_columns, write_shown
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "few_shot_prompt_with_retrieval", "plan", "rows"]

EXAMPLES = "examples"


def few_shot_prompt_with_retrieval(context: Context) -> None:
    """Looks each row up, and asks a model once for each with the examples that were found before it."""
    table, names = context.input(EXAMPLES), ("input_examples", "output_examples")

    def parts() -> PromptParts:
        given, wanted = (read_texts(table, context.params[name]) for name in names)
        return _parts(context, list(zip(given, wanted, strict=True)))

    write_shown(context, EXAMPLES, parts)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask; see `plan_shown`."""
    yield from plan_shown(context, _parts(context, []))


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return shown_columns(params, inputs)


def _parts(context: Context, pairs: Sequence[tuple[str, str]]) -> PromptParts:
    """Returns the parts of the prompts: those of `few_shot_prompt`."""
    params = context.params
    parts = few_shot_parts(
        pairs,
        given_instruction(context),
        input_label=params["input_label"],
        output_label=params["output_label"],
        separator=params["separator"],
    )
    return PromptParts(parts.head, parts.examples, lambda text, has_examples: parts.tail(text))
