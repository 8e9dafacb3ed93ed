"""A card as Markdown: what the Hugging Face Hub and any other reader shows.

Contract: a pure function of the JSON card, so that the page says nothing which the card does not. Text of models and
data is escaped; prompts stand word for word in code blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from dreamsmk.calls.summary import lacking_in_words
from dreamsmk.cards.description import NOT_RECORDED, NOT_STATED, unique
from dreamsmk.cards.evaluation import evaluation_section
from dreamsmk.cards.front_matter import front_matter
from dreamsmk.cards.loading import loading_snippet
from dreamsmk.cards.markup import code, duration, escaped, fenced, moment, number, size, table
from dreamsmk.cards.model_glance import model_rows
from dreamsmk.cards.provenance import provenance_sections
from dreamsmk.cards.training import training_section

_RESPONSIBLE_USE = {
    "intended_use": "Intended use",
    "limitations": "Limitations",
    "biases": "Biases",
    "personal_information": "Personal and sensitive information",
    "social_impact": "Social impact",
}


# Any: JSON.
def card_markdown(card: Mapping[str, Any]) -> str:
    """Returns a card as Markdown with a YAML block at its head; it ends with a line break."""
    is_model = card["kind"] == "model"
    sections = [
        f"{front_matter(card)}\n\n# {escaped(card['title'])}",
        _summary(card),
        f"## At a glance\n\n{table(['', ''], _at_a_glance(card))}",
        f"## How to load\n\n{fenced(loading_snippet(card), 'python')}",
        evaluation_section(card),
        _columns(card),
        _samples(card),
        training_section(card) if card["model"] else "",
        *provenance_sections(card),
        _responsible_use(card),
        _footer(is_model),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


# Any: JSON.
def _summary(card: Mapping[str, Any]) -> str:
    kind = "model" if card["kind"] == "model" else "data"
    what = f"Synthetic {kind} card" if card["is_synthetic"] else f"{kind.capitalize()} card"
    steps = card["totals"]["steps"]
    line = f"*{what}. Traced through {steps} step{'s' if steps != 1 else ''} to {_count_sources(card)}.*"
    return line if card["summary"] == NOT_STATED else f"{card['summary']}\n\n{line}"


# Any: JSON.
def _count_sources(card: Mapping[str, Any]) -> str:
    asked = [model for model in card["models"] if model["made_by"] is None]
    parts = [(len(card["sources"]), "source"), (len(asked), "outside model")]
    said = [f"{count} {word}{'s' if count != 1 else ''}" for count, word in parts if count]
    return " and ".join(said) or "prompts alone"


# Any: JSON.
def _at_a_glance(card: Mapping[str, Any]) -> list[list[str]]:
    totals = card["totals"]
    rows = [*_target_rows(card), ["**Made at**", moment(card["made_at"])]]
    if card["models"]:
        writers = [model for model in card["models"] if model["calls"]["requests"]]
        rows.append(["**Text written by**", ", ".join(unique(escaped(m["name"]) for m in writers))])
        rows.append(["**Model calls**", _calls(totals)])
        lacks: Counter[str] = sum((Counter(m["calls"].get("lacking") or {}) for m in writers), Counter())
        if lacks:
            rows.append(["**Of their replies**", lacking_in_words(lacks)])
        rows.append(["**Tokens**", f"{number(totals['input_tokens'])} in, {number(totals['output_tokens'])} out"])
        rows.append(["**Cost**", _cost(card)])
    rows += [
        ["**Wall time**", f"{duration(totals['duration_seconds'])}, all steps together"],
        ["**Licence of this**", escaped(card["stated"]["license"])],
        ["**Licences of what it is made from**", _licenses(card)],
    ]
    rows += [
        [f"**Fingerprint{_of(card, target)}**", code(target["fingerprint"])]
        for target in _one_a_fingerprint(card["targets"])
    ]
    return [*rows, ["**Fingerprint of the workflow**", code(card["workflow_fingerprint"])]]


# Any: JSON.
def _target_rows(card: Mapping[str, Any]) -> list[list[str]]:
    rows = model_rows(card)
    for target in card["targets"]:
        counts = [] if target["rows"] is None else [_count(target["rows"], "row")]
        counts += [_count(len(target["columns"]), "column")] if target["columns"] else []
        counts += [size(target["size_bytes"])] if target["size_bytes"] is not None else []
        rows.append([f"**{'Table' if target['kind'] == 'table' else 'Files'}**", _file(target, counts)])
    return rows


def _count(count: int, word: str) -> str:
    return f"{number(count)} {word}{'' if count == 1 else 's'}"


# Any: JSON.
def _file(target: Mapping[str, Any], counts: list[str]) -> str:
    return f"{code(target['path'])}{': ' if counts else ''}{', '.join(counts)}"


# Any: JSON.
def _of(card: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    several = len(_one_a_fingerprint(card["targets"])) > 1
    return f" of {escaped(target['path'])}" if several else ""


# Any: JSON.
def _one_a_fingerprint(targets: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({target["fingerprint"]: target for target in reversed(targets)}.values())[::-1]


# Any: JSON.
def _calls(totals: Mapping[str, Any]) -> str:
    hits = f", {number(totals['hits'])} of them answered from the cache" if totals["hits"] else ""
    return f"{number(totals['requests'])}{hits}"


# Any: JSON.
def _cost(card: Mapping[str, Any]) -> str:
    totals = card["totals"]
    unknown = totals["models_without_cost"]
    if totals["cost_usd"]:
        gap = f", without {', '.join(map(escaped, unknown))} ({NOT_RECORDED})" if unknown else ""
        return f"US\\${totals['cost_usd']:.4f}{gap}"
    return NOT_RECORDED if unknown else "none: every reply came from a local model or from the cache"


# Any: JSON.
def _licenses(card: Mapping[str, Any]) -> str:
    by_license: dict[str, list[str]] = {}
    for entry in card["licenses"]:
        by_license.setdefault(entry["license"], []).append(entry["of"])
    return "<br>".join(f"{escaped(name)}: {', '.join(map(escaped, of))}" for name, of in by_license.items())


# Any: JSON.
def _columns(card: Mapping[str, Any]) -> str:
    tables = [target for target in card["targets"] if target["columns"]]
    shown: dict[str, list[str]] = {}
    for target in tables:
        body = table(["Column", "Type"], [[code(name), escaped(kind)] for name, kind in target["columns"].items()])
        shown.setdefault(body, []).append(target["path"])
    parts = []
    for body, paths in shown.items():
        parts.append(body if len(shown) == 1 else f"{', '.join(map(code, paths))}:\n\n{body}")
    return "## Columns\n\n" + "\n\n".join(parts) if parts else ""


# Any: JSON.
def _samples(card: Mapping[str, Any]) -> str:
    parts = []
    for sample in card["samples"]:
        if not sample["rows"]:
            parts.append(f"{code(sample['path'])} has no rows.")
            continue
        header = [escaped(name) for name in sample["columns"]]
        rows = [[escaped(cell) if cell is not None else "*null*" for cell in row] for row in sample["rows"]]
        count = (
            f"{len(rows)} of {number(sample['total_rows'])} rows" if sample["total_rows"] > len(rows) else "All rows"
        )
        parts.append(f"{count} of {code(sample['path'])}{_written_with(sample)}:\n\n{table(header, rows)}")
    return "## Samples\n\n" + "\n\n".join(parts) if parts else ""


# Any: JSON.
def _written_with(sample: Mapping[str, Any]) -> str:
    sampling = (sample["made_by"] or {}).get("sampling") or {}
    values = ", ".join(f"{name} {value}" for name, value in sampling.items())
    return f" (written with {escaped(values)})" if values else ""


# Any: JSON.
def _responsible_use(card: Mapping[str, Any]) -> str:
    rows = [[title, escaped(card["stated"][name])] for name, title in _RESPONSIBLE_USE.items()]
    return f"## Use and limits\n\nStated by the author of this card.\n\n{table(['', ''], rows)}"


def _footer(is_model: bool) -> str:
    return (
        "---\n\nMade by dreamsmk from the records of the workflow. The same card as JSON has every parameter, digest "
        f"and package version. It does not replace a full {'model' if is_model else 'data'} card: please add what no "
        "program can know."
    )
