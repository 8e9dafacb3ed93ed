"""The sampling values that a rule's parameters set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.requests import Sampling

NAMES = tuple(Sampling.__dataclass_fields__)


# Any: JSON.
def sampling_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the sampling values that are given, by name; what is null or empty is left to the model spec."""
    return {name: params[name] for name in NAMES if params.get(name) not in (None, [], {})}
