"""`dreamsmk rules [NAME]`: the catalogue, from each rule's own `meta.yaml`."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dreamsmk.cli.rules_example import example_columns, example_of
from dreamsmk.cli.rules_groups import about_group, group_of, in_groups, own_params
from dreamsmk.cli.rules_page import page
from dreamsmk.cli.rules_types import default_of, type_of
from dreamsmk.smk import load_meta, rule_names
from dreamsmk.smk.meta import RuleMeta, load_group

MOST_WIDTH = 100


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    about = "the rules: what they take, what they make, an example"
    parser = commands.add_parser("rules", help=about, description="Shows the rules of the library, or one in full.")
    parser.add_argument("name", nargs="?", help="one rule, in full")
    style = parser.add_mutually_exclusive_group()
    style.add_argument("--json", action="store_true", help="print JSON")
    style.add_argument("--markdown", action="store_true", help="print the reference page")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints the catalogue, or one rule."""
    metas = [load_meta(name) for name in ([given.name] if given.name else rule_names())]
    width = min(shutil.get_terminal_size((MOST_WIDTH, 24)).columns, MOST_WIDTH)
    if given.json:
        print(json.dumps([asdict(meta) | {"group": group_of(meta)} for meta in metas], indent=2))
    elif given.markdown:
        print(page(metas), end="")
    elif given.name:
        print("\n".join(_full(metas[0], width)))
    else:
        column = max(len(meta.name) for meta in metas)
        for group, rules in in_groups(metas):
            print(group)
            print("\n".join(f"  {meta.name.ljust(column)}  {meta.title}" for meta in rules))
    return 0


def _full(meta: RuleMeta, width: int) -> list[str]:
    """Returns a rule as a terminal shows it: lines no longer than the terminal is wide, then the example as it is."""
    paragraphs = [line for part in meta.description.split("\n\n") for line in ["", *textwrap.wrap(part, width)]]
    lines = [f"{meta.name}: {meta.title}", *paragraphs]
    for title, roles in (("Inputs", meta.inputs), ("Outputs", meta.outputs)):
        entries = {
            name: f"{role.description} ({role.kind}{'' if role.is_required else ', optional'})"
            for name, role in roles.items()
        }
        lines += _section(title, entries, width)
    lines += _section("Parameters", _params(own_params(meta), meta), width)
    for group in meta.include:
        title = f"Parameters shared with other rules ({group}): {about_group(group)}".removesuffix(": ")
        lines += _section(title, _params(load_group(group), meta), width)
    read, made = example_columns(meta)
    columns = {f"{role} in": names for role, names in read.items()} | {f"{role} out": n for role, n in made.items()}
    lines += _section("Columns in the example", {role: ", ".join(names) for role, names in columns.items()}, width)
    example = example_of(meta)
    return [*lines, "", f"Example, in {example.parent}", "", example.read_text(encoding="utf-8").rstrip()]


# Any: JSON Schema.
def _params(params: Mapping[str, Any], meta: RuleMeta) -> dict[str, str]:
    required = meta.params.get("required", [])
    return {
        name: f"{schema.get('description', '')} ({type_of(schema)}; {default_of(name, schema, required)})".replace(
            "`", ""
        )
        for name, schema in params.items()
    }


def _section(title: str, entries: Mapping[str, str], width: int) -> list[str]:
    if not entries:
        return []
    column = max(len(name) for name in entries) + 2
    lines = ["", *textwrap.wrap(title, width)]
    for name, text in entries.items():
        head = f"  {name.ljust(column)}"
        lines += textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * len(head))
    return lines
