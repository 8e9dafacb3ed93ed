"""What a card depends on beside its inputs: who made its targets, and what the config says of models today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.cards.trace import trace
from dreamsmk.store import open_records

_UNKNOWN = "not recorded yet"


# Any: JSON of the config.
def extra_identity(
    home: Path,
    inputs: Mapping[str, Sequence[Path]],
    settings: Mapping[str, Any],
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns what a card depends on beside its inputs and parameters, for its fingerprint.

    The content of a target does not change when a step before it ran again with the same result, nor when a licence is
    written into the config; its card does. Where a target is not there yet, or nobody knows who made it,
    the job says so.
    """
    records = open_records(home)
    digests = []
    for path in [path for role in ("target", "sample", "scores") for path in inputs.get(role, ())]:
        made = path.exists() and records.producer(path) is not None
        digests.append(trace([path], records).identity() if made else _UNKNOWN)
    return {"records": digests, "models": [_about(model) for model in config_models(settings)]}


# Any: JSON of the config.
def _about(model: Mapping[str, Any]) -> dict[str, Any]:
    names = ("provider", "model", "revision", "adapter", "license", "url", "card_url", "citation")
    return {name: str(model[name]) for name in names if model.get(name) is not None}


# Any: JSON of the config.
def config_models(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the model specs of a config, by alias."""
    models = settings.get("models") or {}
    return [spec for _, spec in sorted(models.items()) if isinstance(spec, Mapping)]
