"""The rules of the catalogue in groups, told from the package of each rule's task, and their shared parameters.

Contract: every rule is in exactly one group; a package that has no title here gets a group of its own, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from dreamsmk.smk import rules_folder
from dreamsmk.smk.meta import RuleMeta, load_group

# By package, in the order of the catalogue.
TITLES = {
    "sources": "Sources",
    "shaping": "Tables",
    "prompting": "Prompting",
    "judging": "Judging",
    "recipes": "Recipes",
    "retrieval": "Retrieval",
    "models": "Models",
    "training": "Training",
    "evaluation": "Evaluation",
    "cards": "Cards",
    "step": "Your own",
}


def group_of(meta: RuleMeta) -> str:
    """Returns the group of a rule."""
    parts = meta.task.partition(":")[0].split(".")
    package = parts[2] if parts[1] == "tasks" else parts[1]
    return TITLES.get(package, package.capitalize())


def in_groups(metas: Sequence[RuleMeta]) -> Iterator[tuple[str, list[RuleMeta]]]:
    """Yields the groups that have rules, and their rules by name."""
    order = list(dict.fromkeys(TITLES.values()))

    def place(meta: RuleMeta) -> tuple[int, str]:
        group = group_of(meta)
        return (order.index(group) if group in order else len(order), group)

    for (_, group), rules in groupby(sorted(metas, key=lambda meta: (place(meta), meta.name)), key=place):
        yield group, list(rules)


# Any: JSON Schema.
def own_params(meta: RuleMeta) -> dict[str, Any]:
    """Returns the parameters of a rule that it shares with no group."""
    shared = {name for group in meta.include for name in load_group(group)}
    return {name: schema for name, schema in meta.params["properties"].items() if name not in shared}


def about_group(group: str) -> str:
    """Returns what a group of shared parameters is about: the comment at the head of its file."""
    lines = (rules_folder() / "_params" / f"{group}.yaml").read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# ").strip())
    return " ".join(comment)
