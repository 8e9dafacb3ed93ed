"""One step of a card: every field of Table 3 of the paper, and what that table leaves out.

Contract: licences and citations are carried along the inputs, so that the last step names those of everything that it
descends from. A step adds prompts word for word, sampling, seeds, row counts, tokens, cost and wall time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamsmk.cards.description import NOT_RECORDED, View, texts, unique
from dreamsmk.cards.models import add_calls, is_model_edge, step_models
from dreamsmk.cards.privacy import public_path, public_setting
from dreamsmk.cards.sources import list_sources, sources_of
from dreamsmk.cards.trace import Edge, Step

_PROMPTS = re.compile(
    r"(.*_)?(instruction|instructions|prompt|prompts|template|system|rubric|criteria|examples|question|principles)"
    r"|(input|instruction|output)_label|separator"
)
_LAYOUT = re.compile(r"(input|instruction|output)_label|separator")
# Rules that lay their prompts out whether or not they have an instruction.
_LAID_OUT = frozenset({"few_shot_prompt", "few_shot_prompt_with_retrieval", "rag_prompt"})
# Parameters of rules that are called as prompts are, but name columns or a character; a step of the user's has others.
_NO_PROMPTS = frozenset({"prompts", "input_examples", "output_examples"})
_NO_PROMPTS_OF = {"export": {"prompt", "system"}, "load_files": {"separator"}, "step": frozenset()}
_SEED = re.compile(r"(.*_)?(seed|replicate)")
# Never the host's name: what identifies a machine is left out of cards, what explains a result is kept.
_ENVIRONMENT = ("dreamsmk", "python", "platform", "processor", "cpu_count", "memory_bytes", "gpus", "packages")


@dataclass(slots=True)
class _Inherited:
    """What a step hands on to the steps that read it."""

    licenses: list[dict[str, str]] = field(default_factory=list)
    citations: list[str] = field(default_factory=list)


# Any: JSON.
def list_steps(view: View) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the steps of a trace in the order of making, and the sources."""
    sources = list_sources(view)
    inherited: dict[str, _Inherited] = {}
    return [_step(view, step, sources, inherited) for step in view.trace.steps], sources


# Any: JSON.
def _step(
    view: View, step: Step, sources: Sequence[Mapping[str, Any]], inherited: dict[str, _Inherited]
) -> dict[str, Any]:
    record, models, own = step.record, step_models(view, step), sources_of(step, sources)
    legal = inherited[step.fingerprint] = _legal(step, models, own, inherited)
    params = _params(record)
    urls = [step.facts.get("url"), *(s["url"] for s in own if s["url"] != NOT_RECORDED)]
    return {
        "step": step.number,
        "name": step.name,
        "title": record["task"].get("title") or record["task"]["name"],
        "task": {"name": record["task"]["name"], "version": str(record["task"].get("version", ""))},
        "date_and_time": {"started_at": record["started_at"], "finished_at": record["finished_at"]},
        "datasets": _datasets(view, step, own),
        "models": models,
        "url": next((str(url) for url in urls if url), NOT_RECORDED),
        "license": legal.licenses or [{"of": step.name, "license": NOT_RECORDED}],
        "citations": legal.citations or NOT_RECORDED,
        "reproducibility_fingerprint": step.fingerprint,
        "other_reproducibility_information": {
            "environment": environment_of(record),
            "threads": record.get("threads"),
            "resources": public_setting(record.get("resources") or {}),
        },
        "params": public_setting(params),
        "code": dict(record["preimage"].get("code") or {}),
        "prompts": _prompts(step, params),
        "sampling": {str(m["alias"]): m["sampling"] for m in models if m["alias"] and m["sampling"]},
        "seeds": _seeds(params, models),
        "inputs": {role: [_input(view, e) for e in step.inputs if e.role == role] for role in _roles(step)},
        "outputs": {role: output_entry(output) for role, output in sorted(record["outputs"].items())},
        "rows": _rows(step),
        "counts": _counts(step),
        "tokens": _tokens(models),
        "cost_usd": _cost(models),
        "duration_seconds": float(record["duration_seconds"]),
        "training": _training(view, step),
        "merge": _facts(step, "merge"),
        "quantization": _facts(step, "quantization"),
    }


# Any: JSON.
def _counts(step: Step) -> dict[str, int]:
    """Returns what a step counted beside the rows that it made: rows that it dropped, by why."""
    counts = {
        name: value
        for name, value in step.facts.items()
        if name.endswith("_rows") and name != "rows" and isinstance(value, int) and not isinstance(value, bool)
    }
    for found in step.facts.get("evaluation_sets") or ():
        counts[f"contaminated_rows by {found['name']}"] = int(found["contaminated_rows"])
    return dict(sorted(counts.items()))


# Any: JSON.
def _params(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters with the models' aliases in them, which a fingerprint leaves out."""
    params = dict(record["preimage"].get("params") or {})
    for position, alias in sorted((record.get("positions") or {}).items()):
        name, _, part = (piece.replace("~1", "/").replace("~0", "~") for piece in position.partition("/"))
        before = params.get(name)
        if not part:
            params[name] = alias
        elif isinstance(before, Mapping):
            params[name] = {**before, part: alias}
        else:
            params[name] = [*(before if isinstance(before, list) else []), alias]
    return params


# Any: JSON.
def environment_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a card says of the machine: its kind and its packages, never its name."""
    environment = record.get("environment") or {}
    return {name: public_setting(environment[name]) for name in _ENVIRONMENT if name in environment}


# Any: JSON.
def output_entry(output: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one output as a card shows it. `sha256` is there for readers: it can be checked on any machine."""
    return {
        "path": public_path(str(output["path"])),
        "kind": output["kind"],
        "digest": output["digest"],
        "sha256": output.get("sha256"),
        "size_bytes": output.get("size_bytes"),
        "rows": output.get("rows"),
        "columns": dict(output["columns"]) if output.get("columns") else {},
    }


# Any: JSON.
def _legal(
    step: Step,
    models: Sequence[Mapping[str, Any]],
    own: Sequence[Mapping[str, Any]],
    inherited: Mapping[str, _Inherited],
) -> _Inherited:
    """Returns the licences and citations of all that a step descends from."""
    used = [*own, *(m for m in models if m["made_by"] is None)]
    before = [inherited[edge.producer] for edge in step.inputs if edge.producer]
    licenses = [license for parent in before for license in parent.licenses]
    licenses += [{"of": u["name"], "license": u["license"]} for u in used]
    citations = [citation for parent in before for citation in parent.citations]
    citations += [c for u in used if u["citations"] != NOT_RECORDED for c in u["citations"]]
    citations += texts(step.facts.get("citations"))
    return _Inherited(unique(licenses), unique(citations))


# Any: JSON.
def _datasets(view: View, step: Step, own: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = ("name", "url", "card", "license", "citations")
    found = [{**{n: s[n] for n in names}, "made_by": None} for s in own if s["kind"] in ("dataset", "table")]
    for edge in step.inputs:
        maker = view.made_by(edge.producer)
        if maker is None or is_model_edge(view, edge):
            continue
        here = f"step {maker.number} of this card"
        unknown = {"url": NOT_RECORDED, "license": f"see {here}", "citations": NOT_RECORDED}
        found.append({"name": public_path(edge.path), "card": here, **unknown, "made_by": maker.number})
    return found


# Any: JSON.
def _input(view: View, edge: Edge) -> dict[str, Any]:
    maker = view.made_by(edge.producer)
    return {
        "path": public_path(edge.path),
        "digest": edge.digest,
        "rows": edge.entry.get("rows"),
        "size_bytes": edge.entry.get("size_bytes"),
        "made_by": maker.number if maker else None,
    }


# Any: JSON.
def _training(view: View, step: Step) -> dict[str, Any] | None:
    facts = step.facts.get("training")
    if not facts:
        return None
    history = view.loss_history.get(step.fingerprint) or facts.get("loss_history") or []
    return {**public_setting(facts), "loss_history": [dict(row) for row in history]}


# Any: JSON.
def _facts(step: Step, name: str) -> dict[str, Any] | None:
    return dict(public_setting(step.facts[name])) if step.facts.get(name) else None


def _roles(step: Step) -> list[str]:
    return unique(edge.role for edge in step.inputs)


# Any: JSON.
def _prompts(step: Step, params: Mapping[str, Any]) -> dict[str, str]:
    """Returns the prompts word for word: those among the parameters, and those that the task read from files."""
    task = str(step.record["task"]["name"])
    others = _NO_PROMPTS_OF.get(task, _NO_PROMPTS)
    found = {name: value for name, value in params.items() if _PROMPTS.fullmatch(name) and name not in others}
    found |= step.facts.get("prompts") or {}
    for _, model in sorted((step.record.get("models") or {}).items()):
        if model["identity"].get("chat_template"):
            found["chat_template"] = model["identity"]["chat_template"]
    told = {name: _word_for_word(value) for name, value in sorted(found.items()) if _is_prompt(value)}
    # without an instruction a text is asked with alone, and what would stand around it does not
    is_used = task in _LAID_OUT or not all(_LAYOUT.fullmatch(name) for name in told)
    return told if is_used else {}


def _is_prompt(value: object) -> bool:
    return isinstance(value, (str, list, dict)) and bool(value)


# Any: JSON.
def _word_for_word(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


# Any: JSON.
def _seeds(params: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    seeds = {name: value for name, value in params.items() if _SEED.fullmatch(name) and value is not None}
    asked = {f"{m['alias']}.seed": m["sampling"]["seed"] for m in models if "seed" in m["sampling"]}
    return dict(sorted({**seeds, **asked}.items()))


def _rows(step: Step) -> int | None:
    rows = [output["rows"] for output in step.record["outputs"].values() if output.get("rows") is not None]
    return sum(rows) if rows else None


# Any: JSON.
def _tokens(models: Sequence[Mapping[str, Any]]) -> dict[str, int] | None:
    calls = [m["calls"] for m in models if m["calls"]]
    if not calls:
        return None
    total = calls[0]
    for other in calls[1:]:
        total = add_calls(total, other)
    return {"input_tokens": total["input_tokens"], "output_tokens": total["output_tokens"]}


# Any: JSON.
def _cost(models: Sequence[Mapping[str, Any]]) -> float | None:
    costs = [m["calls"]["cost_usd"] for m in models if m["calls"] and m["calls"]["cost_usd"] is not None]
    return sum(costs) if costs else None
