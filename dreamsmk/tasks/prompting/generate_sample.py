"""What several models write for the same few rows, side by side: before and after a training, say.

Contract: every model gets the very same prompts, laid out as `process_with_prompt` and `fine_tune` lay them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import TableWriter
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.prompting.sampling import sampling_of


def generate_sample(context: Context) -> None:
    """Asks each model for the first rows of a table."""
    params = context.params
    names = _names(params)
    shown = {name: _first_texts(context, name) for name in (params["inputs"], params["outputs"]) if name is not None}
    for column, asked in zip(params["models"], _ask(context, shown[params["inputs"]]), strict=True):
        context.progress.note(f"{params['models'][column]} writes {len(asked.prompts)} texts")
        shown[column] = [reply.text for reply in asked.answer()]
    with TableWriter(context.output(), columns=dict.fromkeys(names, "String")) as table:
        table.write({name: shown[name] for name in names})
    context.facts["rows"] = len(shown[params["inputs"]])


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask each model."""
    yield from _ask(context, _first_texts(context, context.params["inputs"]))


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return {"table": _names(params)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: n, or fewer where the table has no more."""
    have = inputs.get("table")
    return {"table": None if have is None else min(params["n"], have)}


def _first_texts(context: Context, column: str) -> list[str]:
    return read_texts(context.input(), column)[: context.params["n"]]


def _ask(context: Context, texts: Sequence[str]) -> Iterator[Asked]:
    params = context.params
    prompts = [
        process_prompt(
            text,
            params["instruction"],
            input_label=params["input_label"],
            instruction_label=params["instruction_label"],
            separator=params["separator"],
        )
        for text in texts
    ]
    for alias in params["models"].values():
        model = context.model(alias)
        yield Asked(model, prompts, model.requests(prompts, system=params["system_prompt"], **sampling_of(params)))


def _names(params: Mapping[str, Any]) -> list[str]:
    names = [name for name in (params["inputs"], params["outputs"]) if name is not None] + list(params["models"])
    if len(set(names)) < len(names):
        raise SettingsError("two columns get the same name", where="models", hint=f"the columns would be {names}")
    return names
