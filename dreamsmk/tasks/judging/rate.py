"""Rows rated by a model on a scale of whole numbers, by a rubric (LLM-as-a-judge, Zheng et al. 2023).

Contract: a rating is JSON that follows a schema: a whole number of the scale and, before it, the explanation if one is
asked for. Several ratings of a row are samples of one prompt, each kept for ever, and the row's rating is their mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError
from dreamsmk.requests import Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.judging.beside import Verdicts, beside_columns, write_beside
from dreamsmk.tasks.judging.forms import schema_of
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.inputs import check_inputs, instructed, read_inputs
from dreamsmk.tasks.prompting.instruction import read_words
from dreamsmk.tasks.prompting.reply_schema import ReplySchema
from dreamsmk.tasks.prompting.sampling import TEMPERATURE, varied
from dreamsmk.tasks.prompting.templates import reads
from dreamsmk.tasks.unchanged import rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["columns", "plan", "rate", "reads", "rows"]

RATING, EXPLANATION = "rating", "explanation"
RATINGS, EXPLANATIONS = "ratings", "explanations"


def rate(context: Context) -> None:
    """Writes the rows with their ratings."""
    params, (asked, schema) = context.params, _ask(context)
    is_one = params["samples"] == 1

    # Any: cells.
    def read(row: int, replies: Sequence[Response]) -> Mapping[str, Any]:
        cells = [schema.cells(reply.text) for reply in replies]
        if is_one:
            return cells[0]
        ratings = [cell[RATING] for cell in cells]
        mean = sum(ratings) / len(ratings)
        return {RATING: mean, RATINGS: ratings, EXPLANATIONS: [cell.get(EXPLANATION) for cell in cells]}

    verdicts = Verdicts(_types(params), read, params["samples"])
    context.facts["rows"], context.facts["failed_rows"] = write_beside(context, asked, verdicts, context.output())


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield _ask(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: those of the input, the rating, and what is kept of the calls."""
    check_inputs(params, inputs)
    _scale(params)
    return {"table": beside_columns(params, inputs.get("table"), list(_types(params)))}


def _ask(context: Context) -> tuple[Asked, ReplySchema]:
    params, samples = context.params, context.params["samples"]
    low, high = _scale(params)
    # the explanation comes first, so that the number can follow from it
    properties: dict[str, Any] = {EXPLANATION: {"type": "string"}} if params["explanation"] else {}
    properties[RATING] = {"type": "integer", "minimum": low, "maximum": high}
    prompts = instructed(read_inputs(context), params, _instruction(context, low, high))
    model = context.model(params["model"])
    sampling = varied(context, model, TEMPERATURE) if samples > 1 else {}
    schema = schema_of(properties)
    repeated = [prompt for prompt in prompts for _ in range(samples)]
    numbers = [number for _ in prompts for number in range(samples)]
    return ask(model, params, repeated, schema=schema, samples=numbers, **sampling), schema


def _instruction(context: Context, low: int, high: int) -> str:
    params, files = context.params, context.inputs.get("rubric")
    if params["rubric"] is not None and files:
        raise SettingsError("the rubric is given both as a parameter and as a file", where="params.rubric")
    rubric = params["rubric"]
    if files:
        rubric = read_words(files[0], "rubric")
        context.facts.setdefault("prompts", {})["rubric"] = rubric.strip()
    asked = params["instruction"] or "Rate the input."
    explained = " Explain the rating first." if params["explanation"] else ""
    parts = [f"{asked.strip()} The rating is a whole number from {low} to {high}.{explained}"]
    return "\n\n".join([*parts, *([f"Rubric:\n{rubric.strip()}"] if rubric else [])])


# Any: JSON.
def _scale(params: Mapping[str, Any]) -> tuple[int, int]:
    low, high = params["scale"]
    if low >= high:
        raise SettingsError(
            f"the scale goes from {low} to {high}", where="params.scale", hint="give the lower end first"
        )
    return low, high


# Any: JSON.
def _types(params: Mapping[str, Any]) -> dict[str, pl.DataType]:
    import polars as pl

    explained = params["explanation"]
    if params["samples"] == 1:
        return {RATING: pl.Int64()} | ({EXPLANATION: pl.String()} if explained else {})
    many: dict[str, pl.DataType] = {RATING: pl.Float64(), RATINGS: pl.List(pl.Int64())}
    return many | ({EXPLANATIONS: pl.List(pl.String())} if explained else {})
