"""Several samples of what a model writes for each row of a table.

Contract: sample i of a row has the index i in the key of its call and depends on the row's text and the rule's
parameters alone: rows that are equal share their samples, a table in pieces is asked the same as a whole one, and more
samples pay for the new ones alone.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.requests import Failure, Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.generations import generation_columns
from dreamsmk.tasks.prompting.inputs import instructed
from dreamsmk.tasks.prompting.reply_schema import ReplySchema
from dreamsmk.tasks.prompting.sampling import varied
from dreamsmk.tasks.recipes.made_rows import BATCH_ROWS

Outcome = Response | Failure
INPUTS = "inputs"


def row_prompts(context: Context, texts: Sequence[str]) -> list[str]:
    """Returns what the model is asked for each row; the text itself where there is no instruction."""
    return instructed(texts, context.params, context.params["instruction"])


# Any: JSON.
def sample_columns(params: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    """Returns the columns of a table of which each row is made from samples; `fields` are what is worked out."""
    names = generation_columns(params, [*params["carry"], INPUTS], fields)
    assert names is not None
    return names


def ask_samples(
    context: Context, prompts: Sequence[str], *, temperature: float, schema: ReplySchema | None = None
) -> Asked:
    """Returns what is asked: `n` requests for the first prompt, then those for the second.

    Args:
        context: The task's; of its parameters `model`, `n` and those of `ask` are used.
        prompts: One a row.
        temperature: Where neither the rule nor the model spec says: a model that samples greedily would write n times
            the same.
        schema: What replies must follow.
    """
    params, n = context.params, context.params["n"]
    model = context.model(params["model"])
    sampling = varied(context, model, temperature)
    repeated = [prompt for prompt in prompts for _ in range(n)]
    samples = (sample for _ in prompts for sample in range(n))
    return ask(model, {"repairs": 0, **params}, repeated, schema=schema, samples=samples, **sampling)


def sampled_rows(context: Context, asked: Asked) -> Iterator[list[list[Outcome]]]:
    """Yields the samples of each row, some thousand rows at once; without rows an empty list.

    A sample may fail where rows may: it is for the caller to say which rows have none that they can use.

    Raises:
        ProviderError: No row may fail, and a sample did.
    """
    n, allowed = context.params["n"], lenient(context.params["max_failures"], len(asked.prompts))
    outcomes = dataclasses.replace(asked, max_failures=allowed).outcomes()
    for first in itertools.count():
        rows = [list(itertools.islice(outcomes, n)) for _ in range(BATCH_ROWS)]
        found = [row for row in rows if row]
        if found or first == 0:
            yield found
        if len(found) < BATCH_ROWS:
            return


def lenient(max_failures: float, calls: int) -> float:
    """Returns how many of some calls may fail where rows may fail that have several of them: all, or none."""
    return max(calls, 1) if max_failures else 0


def first_failure(outcomes: Sequence[Outcome], otherwise: str) -> Failure:
    """Returns why a row without a usable sample failed: as all its samples did, else as the caller says."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    return failures[0] if failures and len(failures) == len(outcomes) else Failure("other", otherwise)
