"""A trace and its author's statement, as one JSON card.

Contract: a pure function. It reads no file, no clock and no environment, so that a card rendered twice has the same
bytes; the only times in it are those of the records. The result is valid against `schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from dreamsmk.cards.description import NOT_STATED, View, unique
from dreamsmk.cards.model_entry import model_entry, model_target
from dreamsmk.cards.models import sum_models
from dreamsmk.cards.privacy import public_path, without_secrets
from dreamsmk.cards.samples import Sample
from dreamsmk.cards.scores import Scores
from dreamsmk.cards.statement import Statement
from dreamsmk.cards.steps import list_steps, output_entry
from dreamsmk.cards.trace import Target, Trace

CARD_VERSION = 2

_LOCAL_PROVIDERS = frozenset({"transformers", "echo"})


# Any: JSON.
def build_card(
    view: View,
    statement: Statement,
    samples: Sequence[Sample] = (),
    *,
    scores: Sequence[Scores] = (),
    private_roots: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns the card of the targets of a trace.

    Args:
        view: The trace, and what is known of models and sources beside it.
        statement: What the author states.
        samples: Rows to show.
        scores: What was measured of the targets.
        private_roots: Folders of this machine; paths below them are shown relative to them.
    """
    trace = view.trace
    steps, sources = list_steps(view)
    models, targets = sum_models(steps), [_target(trace, target) for target in trace.targets]
    kind = statement.kind if statement.kind != "auto" else "model" if model_target(trace) else "data"
    card = {
        "card_version": CARD_VERSION,
        "kind": kind,
        "title": statement.title or PurePosixPath(public_path(trace.targets[0].path)).stem,
        "summary": statement.summary or NOT_STATED,
        "is_synthetic": any(model["calls"]["requests"] for model in models),
        "made_at": max(trace.step(target.fingerprint).record["finished_at"] for target in trace.targets),
        "workflow_fingerprint": trace.workflow_fingerprint(),
        "stated": statement.to_json(),
        "targets": targets,
        "model": model_entry(view, steps, targets) if kind == "model" else None,
        "totals": _totals(steps, models),
        "licenses": unique(license for step in steps for license in step["license"]),
        "citations": unique(c for step in steps if isinstance(step["citations"], list) for c in step["citations"]),
        "sources": sources,
        "models": models,
        "training": [{"step": s["step"], "name": s["name"], **s["training"]} for s in steps if s["training"]],
        "evaluations": [table.to_json() for table in scores],
        "samples": [sample.to_json() for sample in samples],
        "steps": steps,
        "environments": _environments(steps),
    }
    return dict(without_secrets(card, private_roots))


# Any: JSON.
def _target(trace: Trace, target: Target) -> dict[str, Any]:
    step = trace.step(target.fingerprint)
    path = PurePosixPath(target.path)
    shown = str(path) if not path.is_absolute() else str(target.output["path"])
    return {
        "step": step.number,
        "role": target.role,
        **output_entry({**target.output, "path": shown}),
        "fingerprint": target.fingerprint,
    }


# Any: JSON.
def _totals(steps: Sequence[Mapping[str, Any]], models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    calls = [model["calls"] for model in models]
    costs = [c["cost_usd"] for c in calls if c["cost_usd"] is not None]
    unpriced = [
        m["name"]
        for m in models
        if m["provider"] not in _LOCAL_PROVIDERS and m["calls"]["sent"] and m["calls"]["cost_usd"] is None
    ]
    sums = ("requests", "hits", "sent", "input_tokens", "output_tokens")
    return {
        "steps": len(steps),
        "duration_seconds": round(sum(step["duration_seconds"] for step in steps), 3),
        **{name: sum(c[name] for c in calls) for name in sums},
        "cost_usd": sum(costs) if costs else None,
        "models_without_cost": unpriced,
    }


# Any: JSON.
def _environments(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns each environment once, with the steps that ran in it."""
    found: list[dict[str, Any]] = []
    for step in steps:
        environment = step["other_reproducibility_information"]["environment"]
        same = next((e for e in found if e["environment"] == environment), None)
        if same is None:
            found.append({"steps": [step["step"]], "environment": environment})
        else:
            same["steps"].append(step["step"])
    return found
