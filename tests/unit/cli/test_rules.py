"""`dreamsmk rules`: the catalogue and each rule in full."""

from __future__ import annotations

import json
import re

import pytest

from dreamsmk.cli.rules_groups import TITLES
from dreamsmk.smk import load_meta, rule_names, rules_folder
from tests.unit.cli.conftest import Ask


def test_the_catalogue_has_a_line_for_each_rule(ask: Ask) -> None:
    said = ask("rules")
    assert said.status == 0
    lines = said.out.splitlines()
    assert sorted(line.split()[0] for line in lines if line.startswith("  ")) == rule_names()
    assert all(len(line) <= 130 for line in lines)
    assert "Divide a table into train, validation and test" in said.out


def test_the_catalogue_is_in_groups_that_the_packages_of_the_tasks_tell(ask: Ask) -> None:
    groups: dict[str, list[str]] = {}
    for line in ask("rules").out.splitlines():
        if line.startswith("  "):
            groups[list(groups)[-1]].append(line.split()[0])
        else:
            groups[line] = []
    assert list(groups) == [group for group in dict.fromkeys(TITLES.values()) if group in groups]
    assert {"Sources", "Tables", "Prompting", "Training", "Cards", "Your own"} <= set(groups)
    assert "split" in groups["Tables"]
    assert groups["Your own"] == ["step"]
    assert all(rules == sorted(rules) for rules in groups.values())


@pytest.mark.parametrize("name", rule_names())
def test_a_rule_in_full_has_every_role_every_param_and_its_example(ask: Ask, name: str) -> None:
    said = ask("rules", name)
    assert said.status == 0
    meta = load_meta(name)
    example = (rules_folder() / name / "example" / "Snakefile").read_text()
    text, _, shown = said.out.partition(f"Example, in {rules_folder() / name / 'example'}\n\n")
    assert shown == example
    assert all(len(line) <= 100 for line in text.splitlines())
    described = text.partition("\nColumns in the example\n")[0].splitlines()
    heads = [line.split()[0] for line in described if line.startswith("  ") and line[2] != " "]
    assert heads == [*meta.inputs, *meta.outputs, *meta.params["properties"]]


def test_a_param_says_its_type_and_its_default_or_that_it_is_required(ask: Ask) -> None:
    text = " ".join(ask("rules", "fine_tune").out.split())
    assert "The base model: an alias under models: with the provider transformers. (string; required)" in text
    assert "(integer; default 8)" in text
    assert "(null or object; default {})" in text
    assert "(fp32, bf16, fp16; default" in text


def test_shared_parameters_and_the_columns_of_the_example_are_marked(ask: Ask) -> None:
    lines = ask("rules", "process_with_prompt").out.splitlines()
    shared = [line for line in lines if line.startswith("Parameters shared with other rules (")]
    assert [line.partition("(")[2].partition(")")[0] for line in shared] == list(
        load_meta("process_with_prompt").include
    )
    assert "  table in   title, abstract" in lines
    assert "  table out  abstract, summary" in lines


def test_an_unknown_rule_is_answered_with_the_nearest(ask: Ask) -> None:
    said = ask("rules", "splt")
    assert said.status == 2
    assert said.out == ""
    assert said.err == "dreamsmk: dreamsmk has no rule 'splt'\nhint: did you mean 'split'?\n"


def test_the_json_has_what_the_meta_says(ask: Ask) -> None:
    rules = json.loads(ask("rules", "--json").out)
    assert [rule["name"] for rule in rules] == rule_names()
    assert {rule["group"] for rule in rules} <= set(TITLES.values())
    (split,) = json.loads(ask("rules", "split", "--json").out)
    assert split["outputs"]["train"] == {
        "kind": "table",
        "description": "The first part.",
        "is_required": False,
        "takes_many": False,
        "min_rows": 0,
        "suffixes": [],
    }


def test_the_reference_page_has_every_rule_and_every_param(ask: Ask) -> None:
    page = ask("rules", "--markdown").out
    for name in rule_names():
        assert f"\n## {name}\n" in page
        for param in load_meta(name).params["properties"]:
            assert f"| `{param}` |" in page
    index = re.findall(r"^- \[(\w+)\]\(#(\w+)\)", page, re.MULTILINE)
    assert sorted(index) == [(name, name) for name in rule_names()]
    for link in set(re.findall(r"\]\(#([\w-]+)\)", page)):
        anchors = [
            re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)", page, re.M)
        ]
        assert anchors.count(link) == 1, link
    cells = [line.count(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert set(cells) == {3}, "no text of a meta breaks its table"
