"""The answer that most of n replies to a row agree on (self-consistency; Wang et al., 2022).

Contract: a tie is marked, and broken by the answer that was given first. Samples without an answer vote for none and
count among the n of which the agreement is a share; a row of which no sample has an answer fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.requests import Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.inputs import check_inputs, read_carried, read_inputs
from dreamsmk.tasks.prompting.reply_schema import ReplySchema, field_names, read_reply_schema
from dreamsmk.tasks.prompting.templates import reads
from dreamsmk.tasks.recipes.answers import answer_of, check_answer, majority
from dreamsmk.tasks.recipes.made_rows import FailedRows, MadeRows, write_made
from dreamsmk.tasks.recipes.samples import (
    INPUTS,
    ask_samples,
    first_failure,
    row_prompts,
    sample_columns,
    sampled_rows,
)
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "consistency", "plan", "reads", "rows"]

# As in the paper for models that are sampled without top_k.
TEMPERATURE = 0.7
HINT = "tell the model how to give its answer, or change the pattern"


def consistency(context: Context) -> None:
    """Samples n replies a row and takes a vote on their answers."""
    params, schema = context.params, read_reply_schema(context)
    check_answer(params, [] if schema is None else list(schema.fields))
    texts, asked = _ask(context, schema)
    write_made(
        context, _names(params, [] if schema is None else list(schema.fields)), _made(context, schema, texts, asked)
    )


def _made(context: Context, schema: ReplySchema | None, texts: Sequence[str], asked: Asked) -> Iterator[MadeRows]:
    """Yields the rows of the table."""
    params, carried, failed = context.params, read_carried(context), FailedRows()
    prompts, types = asked.prompts[:: params["n"]], _types()
    context.facts["ties"] = 0
    for samples in sampled_rows(context, asked):
        part = slice(failed.rows, failed.rows + len(samples))
        answers = [
            [answer_of(each.text, params, schema) if isinstance(each, Response) else None for each in row]
            for row in samples
        ]
        votes = [majority(row, ignore_case=params["ignore_case"]) for row in answers]
        outcomes = [
            row[vote.sample] if vote.sample is not None else first_failure(row, "no sample has an answer")
            for row, vote in zip(samples, votes, strict=True)
        ]
        failed.add(outcomes)
        context.facts["ties"] += sum(vote.is_tied for vote in votes)
        # Any: cells.
        columns_made: dict[str, Sequence[Any]] = {
            INPUTS: texts[part],
            "answer": [None if v.sample is None else row[v.sample] for row, v in zip(answers, votes, strict=True)],
            "votes": [vote.votes for vote in votes],
            "agreement": [vote.votes / params["n"] for vote in votes],
            "is_tied": [vote.is_tied for vote in votes],
            "candidates": [[each.text if isinstance(each, Response) else None for each in row] for row in samples],
            "answers": answers,
        }
        columns_made |= {name: column[part] for name, column in carried.items()}
        yield MadeRows(columns_made, types, outcomes, prompts[part])
    failed.check(params["max_failures"], hint=HINT)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context, read_reply_schema(context))[1]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table.

    Raises:
        SettingsError: It is not clear what the answer is.
    """
    check_inputs(params, inputs)
    return {"table": _names(params, field_names(params, inputs))}


def _ask(context: Context, schema: ReplySchema | None) -> tuple[list[str], Asked]:
    texts = read_inputs(context)
    return texts, ask_samples(context, row_prompts(context, texts), temperature=TEMPERATURE, schema=schema)


# Any: JSON.
def _names(params: Mapping[str, Any], schema_fields: Sequence[str] | None) -> list[str]:
    check_answer(params, schema_fields)
    more = ["answers", "candidates"] if params["all"] else []
    return sample_columns(params, ["answer", "votes", "agreement", "is_tied", *more])


# Any: polars types, which are not imported before a task runs.
def _types() -> dict[str, Any]:
    import polars

    texts = polars.List(polars.String())
    return {
        "votes": polars.Int64(),
        "agreement": polars.Float64(),
        "is_tied": polars.Boolean(),
        "answers": texts,
        "candidates": texts,
    }
