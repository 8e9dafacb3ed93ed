"""What several models write for the same few rows, side by side: before and after a training, say.

Contract: every model gets the very same prompts, laid out as `process_with_prompt` and `fine_tune` lay them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import TableWriter
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.prompting.sampling import sampling_of


def generate_sample(context: Context) -> None:
    """Asks each model for the first rows of a table."""
    params = context.params
    shown = {params["inputs"]: read_texts(context.input(), params["inputs"])[: params["n"]]}
    if params["outputs"] is not None:
        shown[params["outputs"]] = read_texts(context.input(), params["outputs"])[: params["n"]]
    prompts = [
        process_prompt(
            text,
            params["instruction"],
            input_label=params["input_label"],
            instruction_label=params["instruction_label"],
            separator=params["separator"],
        )
        for text in shown[params["inputs"]]
    ]
    names = _names(params)
    for column, alias in params["models"].items():
        context.progress.note(f"{alias} writes {len(prompts)} texts")
        model = context.model(alias)
        requests = model.requests(prompts, system=params["system_prompt"], **sampling_of(params))
        shown[column] = [reply.text for reply in model.answer(requests, total=len(prompts))]
    with TableWriter(context.output(), columns=dict.fromkeys(names, "String")) as table:
        table.write({name: shown[name] for name in names})
    context.facts["rows"] = len(prompts)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return {"table": _names(params)}


def _names(params: Mapping[str, Any]) -> list[str]:
    names = [name for name in (params["inputs"], params["outputs"]) if name is not None] + list(params["models"])
    if len(set(names)) < len(names):
        raise SettingsError("two columns get the same name", where="models", hint=f"the columns would be {names}")
    return names
