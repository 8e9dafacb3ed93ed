"""The parameters of `fine_tune`, typed, and the three ways in which its rows are learnt from.

Contract: which way a rule goes follows from its parameters alone, so that what does not go together is found before the
first job of a workflow starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.training.frame.parameters import TrainingParameters

Way = Literal["pairs", "messages", "text"]

_BY_COLUMN: dict[str, Way] = {"inputs": "pairs", "messages": "messages", "text": "text"}
# What has a meaning in one of the ways only, and what it is where nobody says anything.
_OF_ONE_WAY: dict[str, tuple[tuple[Way, ...], Any]] = {
    "instruction": (("pairs",), None),
    "system_prompt": (("pairs", "messages"), None),
    "assistant_turns": (("messages",), "all"),
    "split": (("text",), False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneParameters(TrainingParameters):
    """The parameters; `rules/fine_tune/meta.yaml` says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = TrainingParameters.NOT_TOLD | {"messages", "text"}

    inputs: str | None
    outputs: str | None
    messages: str | None
    text: str | None
    assistant_turns: Literal["all", "last"]
    instruction: str | None
    input_label: str | None
    instruction_label: str | None
    separator: str
    system_prompt: str | None
    chat_template: str | None
    neftune_noise_alpha: float | None
    max_length: int
    max_output_length: int | None
    truncate: bool
    split: bool
    packing: bool


# Any: JSON values of every type.
def way_of(params: Mapping[str, Any]) -> Way:
    """Returns how rows are learnt from: as questions and answers, as chats, or as plain texts.

    Raises:
        SettingsError: The columns name no way or several, or a parameter has no meaning in the one that they name.
    """
    given = [name for name in _BY_COLUMN if params[name] is not None]
    if params["outputs"] is not None and "inputs" not in given:
        given.append("outputs")
    if len(given) != 1:
        raise SettingsError(
            f"rows can be learnt from in one way, and {' and '.join(given)} are given"
            if given
            else "no column is given",
            where=given[1] if given else "params",
            hint="give inputs and outputs, or messages, or text",
        )
    if (params["inputs"] is None) != (params["outputs"] is None):
        raise SettingsError(
            f"`{given[0]}` is given alone", where=given[0], hint="inputs and outputs are a question and its answer"
        )
    way = _BY_COLUMN[given[0]]
    for name, (ways, default) in _OF_ONE_WAY.items():
        if params[name] != default and way not in ways:
            raise SettingsError(f"`{name}` goes with {_columns_of(ways)}, not with `{given[0]}`", where=name)
    if params["split"] and params["truncate"]:
        raise SettingsError("a longer text is either split or cut off", where="truncate", hint="leave one of them out")
    return way


def _columns_of(ways: tuple[Way, ...]) -> str:
    return " or ".join(f"`{name}`" for name, way in _BY_COLUMN.items() if way in ways)
