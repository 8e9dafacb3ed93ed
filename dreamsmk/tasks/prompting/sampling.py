"""The sampling values that a rule's parameters set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.requests import Sampling
from dreamsmk.tasks.context import Context, Model

# Samples of one prompt are meant to differ; a model that samples greedily would write n times the same.
TEMPERATURE = 1.0

NAMES = tuple(Sampling.__dataclass_fields__)


# Any: JSON.
def sampling_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the sampling values that are given, by name; what is null or empty is left to the model spec."""
    return {name: params[name] for name in NAMES if params.get(name) not in (None, [], {})}


# Any: sampling values, as `ask` takes them.
def varied(context: Context, model: Model, temperature: float) -> dict[str, Any]:
    """Returns the temperature of samples, as a fact too, where neither the rule nor the model spec says one."""
    if context.params["temperature"] is not None or model.spec.temperature is not None:
        return {}
    context.facts["sampling"] = {"temperature": temperature}
    return {"temperature": temperature}
