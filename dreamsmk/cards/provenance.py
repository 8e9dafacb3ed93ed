"""The second half of a card's Markdown: how it was made, from what, and how to make it again."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dreamsmk.cards.description import NOT_RECORDED, NOT_STATED, unique
from dreamsmk.cards.diagram import MOST_STEPS, diagram
from dreamsmk.cards.environment import environment_section, reproduce_section
from dreamsmk.cards.markup import code, duration, escaped, fenced, folded, link, moment, number, table
from dreamsmk.cards.pieces import together, without_number
from dreamsmk.cards.trace import is_digest
from dreamsmk.cards.training import training_section

# More steps than this are told by the first three and the last.
MOST_NUMBERS = 12


# Any: JSON.
def provenance_sections(card: Mapping[str, Any]) -> list[str]:
    """Returns the sections in the order in which they stand."""
    return [
        _pipeline(card),
        _prompts(card),
        _models(card),
        # a model's own training stands further up
        "" if card["model"] else training_section(card),
        _sources(card),
        _citations(card),
        environment_section(card),
        reproduce_section(card),
    ]


# Any: JSON.
def _pipeline(card: Mapping[str, Any]) -> str:
    steps = together(card["steps"])
    lines = [_step_line(group) for group in steps[:MOST_STEPS]]
    if len(steps) > MOST_STEPS:
        lines.append(f"\n… and {len(steps) - MOST_STEPS} more, all in the JSON card.")
    records = folded("Every step: time, licence, fingerprint, parameters", _records(card))
    return f"## How it was made\n\n{fenced(diagram(card), 'mermaid')}\n\n" + "\n".join(lines) + f"\n\n{records}"


# Any: JSON.
def _step_line(group: Sequence[Mapping[str, Any]]) -> str:
    """Returns the line of a step, or of those over the pieces of one rule."""
    step = group[0]
    asked = [m for m in step["models"] if m["calls"]]
    told = [step["title"]]
    if asked:
        told.append("asks " + ", ".join(f"{m['name']}{_sampling(m['sampling'])}" for m in asked))
    written = [output["path"] for output in step["outputs"].values()]
    paths = ", ".join(code(path if len(group) == 1 else without_number(path)) for path in written)
    counts = [one["rows"] for one in group if one["rows"] is not None]
    rows = f" ({number(sum(counts))} rows{_counted(group)})" if counts else ""
    makers = sorted({e["made_by"] for one in group for es in one["inputs"].values() for e in es if e["made_by"]})
    pieces = f", in {len(group)} pieces (steps {_numbers([one['step'] for one in group])})" if len(group) > 1 else ""
    after = f", from step{'s' if len(makers) > 1 else ''} {_numbers(makers)}" if makers else ""
    told_all = escaped("; ".join(told))
    return f"{step['step']}. **{escaped(step['name'])}**{pieces}{after}: {told_all} → {paths}{rows}"


# Any: JSON.
def _counted(group: Sequence[Mapping[str, Any]]) -> str:
    """Returns what was counted beside the rows, over all pieces of a rule."""
    counts: Counter[str] = Counter()
    for step in group:
        counts.update(step["counts"])
    words = [f"{number(count)} {name.replace('_rows', '').replace('_', ' ')}" for name, count in sorted(counts.items())]
    return "".join(f", {escaped(word)}" for word in words)


def _numbers(steps: Sequence[int]) -> str:
    shown = [str(step) for step in steps]
    return ", ".join(shown if len(shown) <= MOST_NUMBERS else [*shown[:3], "…", shown[-1]])


# Any: JSON.
def _sampling(sampling: Mapping[str, Any]) -> str:
    values = [f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in sampling.items()]
    return f" ({', '.join(values)})" if values else ""


# Any: JSON.
def _records(card: Mapping[str, Any]) -> str:
    header = [
        "Step",
        "Task",
        "Finished",
        "Wall time",
        "Tokens in / out",
        "Seeds",
        "Licences that may apply",
        "Fingerprint",
    ]
    rows = []
    for step in card["steps"]:
        tokens, seeds = step["tokens"], step["seeds"]
        rows.append(
            [
                f"{step['step']}. {escaped(step['name'])}",
                f"{code(step['task']['name'])} {escaped(step['task']['version'])}",
                moment(step["date_and_time"]["finished_at"]),
                duration(step["duration_seconds"]),
                f"{number(tokens['input_tokens'])} / {number(tokens['output_tokens'])}" if tokens else "",
                escaped(", ".join(f"{name} {value}" for name, value in seeds.items())),
                escaped(", ".join(unique(entry["license"] for entry in step["license"]))),
                code(step["reproducibility_fingerprint"]),
            ]
        )
    parts = [table(header, rows)]
    for step in [group[0] for group in together(card["steps"])[:MOST_STEPS]]:
        rest = {
            name: value for name, value in step["params"].items() if name not in step["prompts"] and value is not None
        }
        if rest:
            text = json.dumps(rest, ensure_ascii=False, indent=2)
            parts.append(f"Parameters of step {step['step']}, {escaped(step['name'])}:\n\n{fenced(text, 'json')}")
    return "\n\n".join(parts)


# Any: JSON.
def _prompts(card: Mapping[str, Any]) -> str:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for step in card["steps"]:
        if step["prompts"]:
            groups.setdefault(json.dumps(step["prompts"], sort_keys=True), []).append(step)
    parts = []
    for steps in groups.values():
        names = ", ".join(f"{step['step']}. {step['name']}" for step in steps[:MOST_STEPS])
        body = "\n\n".join(_prompt(name, text) for name, text in steps[0]["prompts"].items())
        parts.append(folded(names, body))
    return "## Prompts, word for word\n\n" + "\n\n".join(parts) if parts else ""


def _prompt(name: str, text: str) -> str:
    if re.fullmatch(r"(.*_)?label|separator", name):
        return f"{code(name)}: {code(json.dumps(text, ensure_ascii=False))}"
    return f"{code(name)}:\n\n{fenced(text, 'text')}"


# Any: JSON.
def _models(card: Mapping[str, Any]) -> str:
    if not card["models"]:
        return ""
    header = ["Asked", "Served by", "Reported as", "Calls", "Cached", "Tokens in / out", "Finish reasons", "Steps"]
    rows = []
    for model in card["models"]:
        calls = model["calls"]
        rows.append(
            [
                _model_name(model),
                escaped(f"{model['provider']}{', ' + model['endpoint'] if model['endpoint'] else ''}"),
                escaped(", ".join(map(_reported, calls["reported"])) or NOT_RECORDED),
                number(calls["requests"]),
                number(calls["hits"]),
                f"{number(calls['input_tokens'])} / {number(calls['output_tokens'])}",
                escaped(", ".join(f"{reason}: {number(count)}" for reason, count in calls["finish_reasons"].items())),
                ", ".join(map(str, model["steps"])),
            ]
        )
    notes = []
    for model in card["models"]:
        if model["terms"] and (note := _terms(model["terms"])) not in notes:
            notes.append(note)
    return "\n\n".join([f"## Models that were asked\n\n{table(header, rows, right=(3, 4))}", *notes])


def _reported(name: str) -> str:
    """Returns a name as a provider reported it; a local model is told by a digest, which is long."""
    tag, _, digest = name.partition(":")
    return f"{tag}:{digest[:12]}…" if is_digest(name) else name


# Any: JSON.
def _model_name(model: Mapping[str, Any]) -> str:
    name = link(model["name"], model["card"] if model["card"].startswith("http") else model["url"])
    parts = [f"revision {model['revision']}"] if model["revision"] else []
    parts += [f"made by step {model['made_by']}"] if model["made_by"] else []
    if model["adapter"]:
        maker = f", made by step {model['adapter_made_by']}" if model["adapter_made_by"] else ""
        parts.append(f"with the adapter {model['adapter']}{maker}")
    return f"{name} {escaped('(' + '; '.join(parts) + ')')}" if parts else name


# Any: JSON.
def _terms(terms: Mapping[str, Any]) -> str:
    return (
        f"{escaped(terms['provider'])}'s [terms of use]({terms['url']}) (link checked {terms['checked']}) may restrict "
        "what its models' output is used for. They are no licence of the output: read them before you publish it."
    )


# Any: JSON.
def _sources(card: Mapping[str, Any]) -> str:
    rows = []
    for source in card["sources"]:
        revision = f" at {source['revision']}" if source["revision"] else ""
        details = ", ".join(f"{name} {value}" for name, value in source["details"].items() if _is_plain(value))
        name = _linked(source) + escaped(revision) + (f"<br>{escaped(details)}" if details else "")
        rows.append([name, source["kind"], source["license"], _uses(source["used_by"])])
    for model in card["models"]:
        if model["made_by"] is None:
            rows.append([_linked(model), "model, asked", model["license"], _uses(model["steps"])])
    for name, step, model in _untraced_models(card):
        rows.append([name, "model", model["license"], _uses([step])])
    if not rows:
        return "## Sources and licences\n\nNone: everything was made by this workflow."
    body = table(["Source", "Kind", "Licence", "Used by"], [[r[0], r[1], escaped(r[2]), r[3]] for r in rows])
    stated = card["stated"]["license"]
    own = f"The author states {escaped(stated)} for this." if stated != NOT_STATED else "The author states no licence."
    return f"## Sources and licences\n\n{body}\n\n{own} Licences of sources may apply to what is made from them."


# Any: JSON.
def _untraced_models(card: Mapping[str, Any]) -> list[tuple[str, int, Mapping[str, Any]]]:
    """Returns models from outside that a step read but did not ask, such as the base of a training."""
    known = {source["name"] for source in card["sources"]} | {model["name"] for model in card["models"]}
    found: dict[str, tuple[str, int, Mapping[str, Any]]] = {}
    for step in card["steps"]:
        for model in step["models"]:
            if model["made_by"] is None and model["name"] not in known:
                found.setdefault(model["name"], (_linked(model), step["step"], model))
    return list(found.values())


# Any: JSON.
def _linked(entry: Mapping[str, Any]) -> str:
    return link(entry["name"], entry["card"] if entry["card"].startswith("http") else entry["url"])


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float))


def _uses(steps: list[int]) -> str:
    shown = ", ".join(map(str, steps[:8]))
    return f"step{'s' if len(steps) > 1 else ''} {shown}{', …' if len(steps) > 8 else ''}"


# Any: JSON.
def _citations(card: Mapping[str, Any]) -> str:
    own = card["stated"]["citation"]
    parts = [f"Please cite:\n\n{fenced(own, 'bibtex')}"] if own != NOT_STATED else []
    upstream = [fenced(citation, "bibtex") for citation in card["citations"]]
    what = "What it is made from" if own != NOT_STATED else "Citations of what it is made from"
    parts.append(f"{what}:\n\n" + "\n\n".join(upstream) if upstream else f"{what}: {NOT_RECORDED}.")
    return "## Citations\n\n" + "\n\n".join(parts)
