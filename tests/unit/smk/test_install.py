"""What dreamsmk adds to the rules that a workflow has read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError

from tests.unit.smk.workflows import workflow_of

MODELS = {
    "echo": {"provider": "echo", "model": "echo"},
    "student": {"provider": "transformers", "model": "resources/base", "adapter": "results/adapter"},
    "hub": {"provider": "transformers", "model": "org/name"},
}
TWEETS = """
use rule process_with_prompt from dream as tweets with:
    input: "table.csv"
    output: "results/{language}/{size}.parquet"
    params: model="MODEL", inputs="text", instruction="Sum up."
"""
MAKERS = """
rule base:
    output: directory("resources/base")

rule adapter:
    output: directory("results/adapter")
"""


def names(files: Any) -> list[str | None]:
    return [name for name, _ in files._allitems()]


def test_a_rule_gets_a_log_and_a_benchmark_with_the_wildcards_of_its_output(project: Path) -> None:
    with workflow_of(TWEETS.replace("MODEL", "echo"), {"models": MODELS}) as workflow:
        rule = workflow.get_rule("tweets")
        assert [str(path) for path in rule.log] == ["logs/tweets/language-{language}/size-{size}.log"]
        assert str(rule.benchmark) == "benchmarks/tweets/language-{language}/size-{size}.tsv"


def test_a_log_and_a_benchmark_of_the_users_own_are_kept(project: Path) -> None:
    own = TWEETS.replace("MODEL", "echo") + '    log: "mine/{language}/{size}"\n    benchmark: "b/{language}/{size}"\n'
    with workflow_of(own, {"models": MODELS}) as workflow:
        rule = workflow.get_rule("tweets")
        assert [str(path) for path in rule.log] == ["mine/{language}/{size}"]
        assert str(rule.benchmark) == "b/{language}/{size}"


def test_the_folders_of_a_local_model_become_inputs_where_a_rule_makes_them(project: Path) -> None:
    with workflow_of(TWEETS.replace("MODEL", "student") + MAKERS, {"models": MODELS}) as workflow:
        rule = workflow.get_rule("tweets")
        assert names(rule.input) == [None, "model_student", "adapter_student"]
        assert [str(path) for path in rule.input] == ["table.csv", "resources/base", "results/adapter"]


def test_a_folder_that_is_there_becomes_an_input_too(project: Path) -> None:
    (project / "resources/base").mkdir(parents=True)
    with workflow_of(TWEETS.replace("MODEL", "student"), {"models": MODELS}) as workflow:
        assert names(workflow.get_rule("tweets").input) == [None, "model_student"]


@pytest.mark.parametrize("model", ["echo", "hub"])
def test_a_model_that_is_no_folder_adds_no_input(project: Path, model: str) -> None:
    with workflow_of(TWEETS.replace("MODEL", model) + MAKERS, {"models": MODELS}) as workflow:
        assert names(workflow.get_rule("tweets").input) == [None]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"models": {"echo": {"provider": "echo", "modle": "echo"}}}, "modle"),
        ({"models": {"ecko": {"provider": "echo", "model": "echo"}}}, "did you mean 'ecko'"),
    ],
)
def test_a_wrong_config_is_said_in_three_lines_when_the_rules_are_read(
    project: Path, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(WorkflowError) as caught, workflow_of(TWEETS.replace("MODEL", "echo"), config):
        pass
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3
