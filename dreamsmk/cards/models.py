"""The models of a step as a card shows them, and their sum over all steps.

Contract: a model is shown as it was asked for and as the provider reported it, with what it was called for. An endpoint
is named only where it is public, a local folder only by its path inside the workflow.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from dreamsmk.calls.summary import lacking
from dreamsmk.cards.description import Description, View, declared_source, is_model_role
from dreamsmk.cards.privacy import public_endpoint, public_path, public_setting
from dreamsmk.cards.references import pages_of
from dreamsmk.cards.trace import Edge, Step, is_digest
from dreamsmk.settings import spec_fields

_COUNTS = ("requests", "hits", "sent", "retries")
_TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
_TALLIES = ("reported", "finish_reasons")


# Any: JSON.
def step_models(view: View, step: Step) -> list[dict[str, Any]]:
    """Returns the models of a step: those that it asked, those that it read as folders, one that it brought in."""
    found = [_asked(view, step, alias, entry) for alias, entry in sorted((step.record.get("models") or {}).items())]
    asked = {
        PurePosixPath(str(entry["spec"][field]))
        for entry in (step.record.get("models") or {}).values()
        for field in ("model", "adapter")
        if entry["spec"].get(field)
    }
    found += [
        _folder(view, edge)
        for edge in step.inputs
        if is_model_edge(view, edge) and PurePosixPath(edge.path) not in asked
    ]
    source = declared_source(step)
    if source and source.kind == "model":
        output = next(iter(step.record["outputs"].values()))
        found.append({**_blank(source.name or public_path(str(output["path"]))), **_described(source)})
    return found


def is_model_edge(view: View, edge: Edge) -> bool:
    """Whether an input is a model rather than data."""
    if edge.entry.get("kind") == "table":
        # trainers leave tables too: samples, histories
        return False
    maker = view.made_by(edge.producer)
    return is_model_role(edge.role) or (maker is not None and "training" in maker.facts)


# Any: JSON.
def sum_models(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns every model that was asked in any step, once, with its calls added up.

    Args:
        steps: Steps of a card, as JSON.
    """
    found: list[dict[str, Any]] = []
    for step in steps:
        for model in step["models"]:
            if model["calls"] is None:
                continue
            same = next((m for m in found if m["identity"] == model["identity"]), None)
            if same is None:
                found.append({**{k: v for k, v in model.items() if k != "sampling"}, "steps": [step["step"]]})
                continue
            same["steps"] = [*same["steps"], step["step"]]
            same["calls"] = add_calls(same["calls"], model["calls"])
    return found


# Any: JSON.
def add_calls(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Returns two tallies of calls as one."""
    total: dict[str, Any] = {name: left[name] + right[name] for name in (*_COUNTS, *_TOKENS)}
    for name in _TALLIES:
        keys = sorted({*left[name], *right[name]})
        total[name] = {key: left[name].get(key, 0) + right[name].get(key, 0) for key in keys}
    costs = [c["cost_usd"] for c in (left, right) if c["cost_usd"] is not None]
    total["cost_usd"] = sum(costs) if costs else None
    if "lacking" in left or "lacking" in right:
        total["lacking"] = dict(Counter(left.get("lacking") or {}) + Counter(right.get("lacking") or {}))
    return total


# Any: JSON.
def _asked(view: View, step: Step, alias: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    spec, identity = entry["spec"], entry["identity"]
    maker, adapter_maker = _maker(view, step, spec.get("model")), _maker(view, step, spec.get("adapter"))
    about, calls = _about(view, entry), _calls(entry.get("calls") or {})
    if maker is not None and (source := declared_source(maker)):
        about = about.over(source)
    is_folder = is_digest(str(identity["model"]))
    name = public_path(str(spec["model"])) if is_folder else str(spec["model"])
    pages = pages_of(str(identity["provider"]), identity.get("base_url"))
    if pages and not about.card:
        about = about.over(Description(card=pages.card_url(str(spec["model"]))))
    return {
        **_blank((about.name or name) if is_folder else name),
        "alias": alias,
        "provider": identity["provider"],
        "revision": identity.get("revision") or about.revision,
        "adapter": public_path(str(spec["adapter"])) if spec.get("adapter") else None,
        "endpoint": public_endpoint(identity["base_url"]) if identity.get("base_url") else None,
        "identity": public_setting({k: v for k, v in identity.items() if v not in (None, "", {}, [])}),
        "path": name if is_folder else None,
        "made_by": maker.number if maker else None,
        "adapter_made_by": adapter_maker.number if adapter_maker else None,
        **about.to_json(),
        "terms": {"provider": pages.name, "url": pages.terms_url, "checked": pages.checked} if pages else None,
        "sampling": public_setting(_sampling(step, spec)) if calls else {},
        "calls": calls,
    }


# Any: JSON.
def _folder(view: View, edge: Edge) -> dict[str, Any]:
    maker = view.made_by(edge.producer)
    path = public_path(edge.path)
    about = (declared_source(maker) if maker else None) or Description.of(view.described.get(edge.path))
    return {
        **_blank(about.name or path),
        **_described(about),
        "path": path,
        "identity": {"model": edge.digest},
        "made_by": maker.number if maker else None,
    }


# Any: JSON.
def _described(about: Description) -> dict[str, Any]:
    return {**about.to_json(), "revision": about.revision}


# Any: JSON.
def _blank(name: str) -> dict[str, Any]:
    absent = ("alias", "provider", "revision", "adapter", "endpoint", "path", "made_by", "adapter_made_by", "terms")
    return {"name": name, **dict.fromkeys(absent), "identity": {"model": name}, "sampling": {}, "calls": None}


def _maker(view: View, step: Step, path: object) -> Step | None:
    """Returns the step that made a model folder which another step names in its model spec."""
    if not path:
        return None
    for edge in step.inputs:
        if PurePosixPath(edge.path) == PurePosixPath(str(path)):
            return view.made_by(edge.producer)
    return None


# Any: JSON.
def _about(view: View, entry: Mapping[str, Any]) -> Description:
    """Returns what is said of a model: by the config of today first, then by that of the day of the calls."""
    same = ("provider", "model", "revision", "adapter")
    recorded = Description.of(entry.get("about"))
    for spec in view.models:
        if all(spec.get(name) == entry["spec"].get(name) for name in same):
            recorded = Description.of({k: v for k, v in spec.items() if k in _about_names()}).over(recorded)
    return recorded


def _about_names() -> set[str]:
    return {field.name for field in spec_fields("about")}


# Any: JSON.
def _sampling(step: Step, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the sampling values in force: the model spec's, under the parameters', under what the task said."""
    names = [field.name for field in spec_fields("sampling")]
    found: dict[str, Any] = {}
    for values in (spec, step.record["preimage"].get("params") or {}, step.facts.get("sampling") or {}):
        found |= {name: values[name] for name in names if values.get(name) not in (None, [], ())}
    return found


# Any: JSON.
def _calls(calls: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the tally of a model's calls; `None` for one that was not asked, such as the base of a training."""
    if not calls.get("requests"):
        return None
    usage = calls.get("usage") or {}
    counts: dict[str, Any] = {name: int(calls.get(name) or 0) for name in _COUNTS}
    counts |= {name: int(usage.get(name) or 0) for name in _TOKENS}
    counts |= {name: {_reported(k): v for k, v in sorted((calls.get(name) or {}).items())} for name in _TALLIES}
    cost = calls.get("cost_usd")
    counts["cost_usd"] = float(cost) if cost is not None else None
    return {**counts, "lacking": lacks} if (lacks := lacking(calls)) else counts


def _reported(name: str) -> str:
    """A local server reports a model by the folder that it was loaded from."""
    return public_path(name) if re.match(r"[/~]|[A-Za-z]:[\\/]", name) else name
