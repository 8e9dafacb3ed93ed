"""How the weights of a model came about: what each training, merge and quantization began with, back to the start.

Contract: it reads the steps of a card and nothing else. Models that only wrote data, taught or gave rewards are no part
of a lineage: their weights are not in the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Any (in this file): JSON of a card.
Steps = Sequence[Mapping[str, Any]]

_MAKES_WEIGHTS = ("training", "merge", "quantization")
# The parameters of trainers that name models which are learnt from rather than trained.
_TEACHERS = ("teacher", "reward_model", "task_model")


def makes_weights(step: Mapping[str, Any]) -> bool:
    """Says whether a step trained, merged or quantized a model."""
    return any(step[name] for name in _MAKES_WEIGHTS)


def begins_with(step: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the model whose weights a step changed, as one of its models; None where it changed none."""
    if not makes_weights(step):
        return None
    named = next(step[name] for name in _MAKES_WEIGHTS if step[name]).get("base_model")
    alias, models = step["params"].get("model"), step["models"]
    by_alias = [model for model in models if model["alias"] is not None and model["alias"] == alias]
    by_name = [model for model in models if named and named in (model["path"], model["name"])]
    return next(iter([*by_alias, *by_name, *models]), None)


def adapter_of(step: Mapping[str, Any]) -> tuple[str, int | None] | None:
    """Returns the path or the id of the adapter that a step began with, and the step that made it."""
    base = begins_with(step)
    if base is not None and base["adapter"]:
        return str(base["adapter"]), base["adapter_made_by"]
    given = step["inputs"].get("adapter") if step["merge"] else None
    return (str(given[0]["path"]), given[0]["made_by"]) if given else None


def lineage(steps: Steps, number: int) -> list[int]:
    """Returns the numbers of the steps that made the weights of what a step left, in order, itself among them."""
    found: set[int] = set()
    pending = [number]
    while pending:
        here = pending.pop()
        if here not in found:
            found.add(here)
            pending.extend(_makers(steps[here - 1]))
    return [here for here in sorted(found) if makes_weights(steps[here - 1])]


def origin(steps: Steps, model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the model that the steps of a card trained a model from, or brought it in as; itself where none did."""
    # no step is its own ancestor
    for _ in steps:
        if model["made_by"] is None:
            break
        maker = steps[model["made_by"] - 1]
        earlier = begins_with(maker) or next(iter(_unasked(maker)), None)
        if earlier is None:
            break
        model = earlier
    return model


def is_made_here(steps: Steps, model: Mapping[str, Any]) -> bool:
    """Says whether the weights of a model, without its adapter, were changed by a step of the card."""
    return model["made_by"] is not None and bool(lineage(steps, model["made_by"]))


def learnt_from(step: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns the models that a training learnt from beside the one that it trained, by their parameters."""
    base = begins_with(step)
    aliases = {model["alias"]: model for model in step["models"] if model["alias"] and model is not base}
    named = {name: step["params"].get(name) for name in _TEACHERS}
    return [(name, aliases[alias]) for name, alias in named.items() if alias in aliases]


def _makers(step: Mapping[str, Any]) -> Iterator[int]:
    if not makes_weights(step):
        yield from (model["made_by"] for model in _unasked(step) if model["made_by"] is not None)
        return
    base, adapter = begins_with(step), adapter_of(step)
    makers = [base["made_by"] if base else None, adapter[1] if adapter else None]
    yield from (maker for maker in makers if maker is not None)


def _unasked(step: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the models that a step read or brought in rather than asked."""
    return [model for model in step["models"] if model["calls"] is None]
