"""What of each row is put to a model: a column as it is, or what a template makes of several; and what is carried over.

Contract: exactly one of the parameters `inputs` and `template` (or the input file `template`) says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tables import read_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.prompting.templates import ROLE, check_template, read_template, render_rows


def read_inputs(context: Context) -> list[str]:
    """Returns the text of each row.

    Raises:
        SettingsError: It is said twice, or not at all, or the template is wrong.
        TableError: A column is missing, or a row has no text.
    """
    column, template = context.params["inputs"], read_template(context)
    if (column is None) == (template is None):
        raise _unclear(column is not None)
    if template is not None:
        return render_rows(template, context.input())
    return read_texts(context.input(), str(column))


# Any: JSON.
def check_inputs(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> None:
    """Raises for what is wrong with the parameters `inputs` and `template`, as far as it can be seen before a run."""
    given = (params["inputs"] is not None) + (params[ROLE] is not None)
    if given == 2 or (given == 0 and ROLE not in inputs):
        raise _unclear(given == 2)
    check_template(params, inputs)


# Any: polars' series, where others are lists.
def read_carried(context: Context) -> dict[str, Any]:
    """Returns the columns that are carried over as they are, by name."""
    names = context.params["carry"]
    if not names:
        return {}
    table = read_table(context.input(), columns=names)
    return {name: table[name] for name in names}


# Any: JSON.
def instructed(texts: Sequence[str], params: Mapping[str, Any], instruction: str | None) -> list[str]:
    """Returns the prompt of each text: the layout of `process_prompt`, with the parameters that set it."""
    return [
        process_prompt(
            text,
            instruction,
            input_label=params["input_label"],
            instruction_label=params["instruction_label"],
            separator=params["separator"],
        )
        for text in texts
    ]


def _unclear(is_twice: bool) -> SettingsError:
    fault = "said twice" if is_twice else "not said"
    return SettingsError(
        f"what of a row is put to the model is {fault}",
        where="params.inputs",
        hint="give either inputs=column or template=…",
    )
