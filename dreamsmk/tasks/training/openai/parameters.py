"""The parameters of `openai_fine_tune`, typed, and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from dreamsmk.errors import SettingsError

AUTO = "auto"
Auto = Literal["auto"]
# What shapes a prompt that is made of a text.
_LAYOUT = ("outputs", "instruction", "system_prompt")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIParameters:
    """The parameters; `rules/openai_fine_tune/meta.yaml` says what each means, and its default."""

    model: str
    method: Literal["supervised", "dpo"]
    inputs: str | None
    outputs: str | None
    messages: str | None
    chosen: str | None
    rejected: str | None
    instruction: str | None
    input_label: str | None
    instruction_label: str | None
    separator: str
    system_prompt: str | None
    epochs: int | Auto
    batch_size: int | Auto
    learning_rate_multiplier: float | Auto
    beta: float | Auto
    seed: int | None
    suffix: str | None
    keep_files: bool
    poll_seconds: float

    # Any: JSON values of every type.
    @classmethod
    def from_json(cls, params: Mapping[str, Any]) -> OpenAIParameters:
        """Returns the parameters of a validated JSON object with its defaults filled in.

        Raises:
            SettingsError: A column is missing, or a parameter does not go with the method or with whole chats.
        """
        parameters = cls(**{field.name: params[field.name] for field in fields(cls)})
        parameters._check_columns()
        return parameters

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        named = (self.messages, self.inputs, self.outputs, self.chosen, self.rejected)
        return [name for name in named if name is not None]

    # Any: numbers and texts.
    def hyper_parameters(self) -> dict[str, Any]:
        """Returns what is not left to the service, by the service's names."""
        given = {
            "n_epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate_multiplier": self.learning_rate_multiplier,
            "beta": self.beta,
        }
        return {name: value for name, value in given.items() if value != AUTO}

    def _check_columns(self) -> None:
        if (self.inputs is None) == (self.messages is None):
            raise SettingsError(
                "a row is asked with `inputs` or `messages`, and with one of them alone",
                where="inputs",
                hint="give the column of the texts, or that of the chats",
            )
        is_dpo = self.method == "dpo"
        wanted = ("chosen", "rejected") if is_dpo else ("outputs",) if self.messages is None else ()
        unfit = ("outputs",) if is_dpo else ("chosen", "rejected")
        for name in wanted:
            if getattr(self, name) is None:
                raise SettingsError(f"{name!r} is missing", where=name, hint=f"`method: {self.method}` learns from it")
        for name in unfit:
            if getattr(self, name) is not None:
                raise SettingsError(f"`method: {self.method}` takes no {name!r}", where=name, hint="leave it out")
        for name in _LAYOUT if self.messages is not None else ():
            if getattr(self, name) is not None:
                raise SettingsError(
                    f"{name!r} does not go with `messages`", where=name, hint="the chats say all that there is to say"
                )
        if self.beta != AUTO and not is_dpo:
            raise SettingsError("`beta` is for `method: dpo` alone", where="beta", hint="leave it out")
