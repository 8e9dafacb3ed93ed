"""The settings that dreamsmk reads from a Snakemake config, typed.

Contract: an absent setting and a null one are the same; 0 and "" are values like others. Secrets are never part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.settings.fields import setting
from dreamsmk.settings.model_spec import ModelSpec

ALIAS_PATTERN = "^[A-Za-z_][A-Za-z0-9_-]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What dreamsmk reads from the config; the other keys of a config are the workflow's own."""

    models: Mapping[str, ModelSpec] = setting(
        None,
        "Model specs by alias. Rules name a model by its alias.",
        {},
        propertyNames={
            "pattern": ALIAS_PATTERN,
            "x-hint": "an alias begins with a letter or _ and goes on with letters, digits, _ and -",
        },
    )
    cache: str | None = setting(
        None,
        "The call cache: a file, or `postgresql://user@host/database` for several machines; `calls.db` inside the home"
        " if absent.",
        minLength=1,
        pattern="^(postgres(ql)?://(?!.*password=)([^:@/ ]+@)?[^@ ]+|(?![A-Za-z0-9+.-]+://).*)$",
        hint="give the path of a file, or postgresql://user@host/database;"
        " a password goes into PGPASSWORD or ~/.pgpass",
    )
    offline: bool = setting(
        None, "Whether every reply must come from the call cache: a call that it does not have is an error.", False
    )
    budget: Mapping[str, float] = setting(
        None,
        "The most that all calls of the workflow together may cost: `usd`, `tokens`, or both. It counts from the first"
        " call that the home has seen.",
        {},
        properties={"usd": {"type": "number", "minimum": 0}, "tokens": {"type": "integer", "minimum": 0}},
        additionalProperties=False,
    )
    report_to: str | None = setting(
        None,
        "The tracker that all trainings report to: `tensorboard` (files in the home, under `tensorboard/`), `wandb` or"
        " `trackio`. Nothing is reported if absent.",
        enum=["tensorboard", "wandb", "trackio"],
    )
    home: str | None = setting(
        None,
        "Folder of dreamsmk's state; what `DREAMSMK_HOME` names, else `.dreamsmk`, if absent.",
        minLength=1,
    )

    def model(self, alias: str, *, where: str = "") -> ModelSpec:
        """Returns the model spec of an alias.

        Raises:
            SettingsError: The config has no such alias under `models:`.
        """
        if alias not in self.models:
            hint = nearest(alias, self.models) if self.models else "the config has nothing under models:"
            raise SettingsError(f"there is no model {alias!r} under models:", where=where, hint=hint)
        return self.models[alias]
