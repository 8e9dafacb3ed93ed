"""Prompts that show what was found for them: documents, examples.

Contract: what was found stands in the prompt best first, as much as there is room for (see `prompting.budget`); one
that is too long is left out, and later, shorter ones may still fit. The text that was looked up is never cut. Which
rows a prompt shows is a column of its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.budget import ExampleBudget
from dreamsmk.tasks.prompting.generations import generation_columns, read_texts, write_generations
from dreamsmk.tasks.prompting.inputs import read_carried
from dreamsmk.tasks.prompting.reply_schema import field_names, read_reply_schema
from dreamsmk.tasks.retrieval.lookup import Lookup

INPUTS = "inputs"
RETRIEVED = "retrieved"


@dataclass(frozen=True, slots=True)
class PromptParts:
    """What the prompts of a job are made of; joined by nothing, head, pieces and tail are a prompt.

    Attributes:
        head: What all prompts begin with.
        pieces: What is shown of each row of the indexed table.
        tail: What a prompt ends with, from its text and whether anything stands before it.
    """

    head: str
    pieces: Sequence[str]
    tail: Callable[[str, bool], str]


def write_shown(context: Context, corpus: str, parts_of: Callable[[], PromptParts]) -> None:
    """Looks each row up, asks a model once for each with what was found, and writes the table of the replies.

    Args:
        context: The task's.
        corpus: The input with the table that was indexed.
        parts_of: Reads what the prompts are made of; called once that table is known to be the one that was indexed.
    """
    import polars as pl

    params, schema = context.params, read_reply_schema(context)
    lookup = Lookup.of(context, params["inputs"], "embedder")
    lookup.check_corpus(context.input(corpus))
    texts, model = read_texts(context.input(), params["inputs"]), context.model(params["model"])
    budget = ExampleBudget.of(context, model, schema)
    prompts, shown = _prompts(context, lookup, texts, parts=parts_of(), budget=budget)
    counts = [len(rows) for rows in shown]
    context.facts[RETRIEVED] = {"fewest": min(counts, default=0), "most": max(counts, default=0)}
    leading: dict[str, Any] = {**read_carried(context), INPUTS: texts}  # Any: lists, and polars' series
    leading[RETRIEVED] = pl.Series(shown, dtype=pl.List(pl.Int64))
    write_generations(context, leading, ask(model, params, prompts, schema=schema), schema)


def plan_shown(context: Context, parts: PromptParts) -> Iterator[Asked]:
    """Yields what a task would ask.

    The prompts are without what will be found for them, since looking up would ask a model: how many there are is
    right, but none of them is known to be answered.
    """
    params, schema = context.params, read_reply_schema(context)
    lookup = Lookup.of(context, params["inputs"], "embedder")
    if lookup.asked is not None:
        yield lookup.asked
    texts = read_texts(context.input(), params["inputs"])
    prompts = [parts.head + parts.tail(text, False) for text in texts]
    yield ask(context.model(params["model"]), params, prompts, schema=schema)


# Any: JSON.
def shown_columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    ExampleBudget(None, len, least=params["min_examples"], most=params["max_examples"])  # raises where they contradict
    leading = [*params["carry"], INPUTS, RETRIEVED]
    return {"table": generation_columns(params, leading, field_names(params, inputs))}


def _prompts(
    context: Context, lookup: Lookup, texts: Sequence[str], *, parts: PromptParts, budget: ExampleBudget
) -> tuple[list[str], list[list[int]]]:
    """Returns the prompt of each text, and which rows of the indexed table it shows.

    Raises:
        TableError: A prompt has no room for what must be in it.
        ProviderError: The embedding model does not give the vector of every text.
    """
    prompts: list[str] = []
    shown: list[list[int]] = []
    for hits in (hits for _, found in lookup.hits() for hits in found):
        number, rows = len(prompts), hits.rows.tolist()
        pieces, text = [parts.pieces[row] for row in rows], texts[number]
        where = f"{context.input()}, row {number} (from 0)"
        chosen = budget.choose(parts.head, pieces, parts.tail(text, bool(rows)), where=where)
        tail = parts.tail(text, bool(chosen))
        prompts.append(parts.head + "".join(pieces[place] for place in chosen) + tail)
        shown.append([rows[place] for place in chosen])
    return prompts, shown
