"""The pipeline of a card as a Mermaid graph: sources, models that were asked, steps, targets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dreamsmk.cards.markup import number
from dreamsmk.cards.pieces import is_of_piece

MOST_STEPS = 40
_PLAIN_ROLES = frozenset({"table", "tables", "input"})


# Any: JSON.
def diagram(card: Mapping[str, Any]) -> str:
    """Returns the graph. Above `MOST_STEPS` steps, those of one rule are drawn as one; those over pieces always."""
    together = len(card["steps"]) > MOST_STEPS
    node = {step["step"]: _node(step, together) for step in card["steps"]}
    lines = dict.fromkeys([*_source_lines(card, node), *_model_lines(card, node), *_step_lines(card, node)])
    targets = sorted({node[target["step"]] for target in card["targets"]})
    style = ["    classDef target stroke-width:3px", f"    class {','.join(targets)} target"]
    return "\n".join(["flowchart TD", *lines, *style])


# Any: JSON.
def _node(step: Mapping[str, Any], together: bool) -> str:
    return "rule_" + re.sub(r"\W", "_", step["name"]) if together or is_of_piece(step) else f"step{step['step']}"


# Any: JSON.
def _source_lines(card: Mapping[str, Any], node: Mapping[int, str]) -> list[str]:
    lines = []
    for position, source in enumerate(card["sources"][:MOST_STEPS], 1):
        lines.append(f'    source{position}[("{_label(source["name"])}")]')
        for step in source["used_by"]:
            lines.append(f"    source{position} --> {node[step]}")
    return lines


# Any: JSON.
def _model_lines(card: Mapping[str, Any], node: Mapping[int, str]) -> list[str]:
    lines = []
    for position, model in enumerate(card["models"], 1):
        if model["made_by"] is not None:
            continue
        lines.append(f'    model{position}{{{{"{_label(model["name"])}"}}}}')
        lines += [f"    model{position} -. answers .-> {node[step]}" for step in model["steps"]]
    return lines


# Any: JSON.
def _step_lines(card: Mapping[str, Any], node: Mapping[int, str]) -> list[str]:
    lines = []
    names = [step["name"] for step in card["steps"]]
    for step in card["steps"]:
        here, count = node[step["step"]], names.count(step["name"])
        rows = f"<br/>{number(step['rows'])} rows" if step["rows"] is not None else ""
        detail = f"<br/>{count} times" if here.startswith("rule_") and count > 1 else rows
        lines.append(f'    {here}["{_label(step["name"])}{detail}"]')
        for role, entries in step["inputs"].items():
            makers = [entry["made_by"] for entry in entries if entry["made_by"] is not None]
            word = role.partition("_")[0] if role.startswith(("model_", "adapter_")) else role
            label = "" if role in _PLAIN_ROLES else f"|{_label(word)}|"
            lines += [f"    {node[maker]} -->{label} {here}" for maker in makers]
    return lines


def _label(text: str) -> str:
    """Mermaid reads quotes and angle brackets as its own; it has entities of its own for them."""
    words = " ".join(text.split())
    words = words if len(words) <= 60 else words[:59] + "…"
    return re.sub(r'["<>#&|`\[\]{}()]', lambda found: f"#{ord(found[0])};", words)
