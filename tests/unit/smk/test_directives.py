"""What a rule asks Snakemake for, and the fingerprint that Snakemake compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snakemake.iocontainers import Wildcards

from dreamsmk import smk
from dreamsmk.smk.directives import INVALID, LOCAL_THREADS
from tests.unit.smk.workflows import workflow_of

RULE = """
use rule process_with_prompt from dream as {name} with:
    input: "{source}"
    output: "results/{name}.parquet"
    threads: {threads}
    resources: mem_mb={mem_mb}
    params:
        model="{model}",
        inputs="text",
        instruction="{instruction}",
"""
MODELS = {
    "echo": {"provider": "echo", "model": "echo"},
    "same": {"provider": "echo", "model": "echo", "max_concurrency": 3, "license": "cc0-1.0"},
    "local": {"provider": "transformers", "model": "org/name"},
    "wrong": {"provider": "ecko", "model": "echo"},
}


def rule(name: str = "tweets", **given: Any) -> str:
    values = {"source": "table.csv", "threads": 1, "mem_mb": 100, "model": "echo", "instruction": "Sum up."}
    return RULE.format(name=name, **{**values, **given})


def wanted(workflow: Any, name: str = "tweets") -> tuple[int, int, int]:
    """Returns what a rule wants: threads, GPUs, slots for services."""
    functions = (smk.threads(workflow), smk.gpu(workflow), smk.api(workflow))
    threads, gpu, api = (function(Wildcards(), rulename=name) for function in functions)
    return threads, gpu, api


def fingerprint(workflow: Any, name: str = "tweets", **wildcards: str) -> str:
    """Returns the fingerprint of a rule's job, asked for as Snakemake asks."""
    found = workflow.get_rule(name)
    given = Wildcards(fromdict=wildcards)
    inputs = found.expand_input(given)[0]
    outputs = found.expand_output(given)[0]
    value: str = found.params.dreamsmk(given, input=inputs, output=outputs, threads=1, resources={})
    return value


@pytest.fixture
def table(project: Path) -> Path:
    path = project / "table.csv"
    path.write_text("text\na\nb\n")
    return path


@pytest.mark.parametrize(("model", "expected"), [("echo", (1, 0, 1)), ("local", (LOCAL_THREADS, 1, 0))])
def test_a_local_model_wants_threads_and_a_gpu_and_a_service_a_slot(
    project: Path, model: str, expected: tuple[int, int, int]
) -> None:
    with workflow_of(rule(model=model), {"models": MODELS}) as workflow:
        assert wanted(workflow) == expected


def test_a_provider_that_there_is_none_of_is_left_to_the_check_of_the_graph(project: Path) -> None:
    with workflow_of(rule(model="wrong"), {"models": MODELS}) as workflow:
        assert wanted(workflow)[:2] == (1, 0)


def test_who_makes_the_gpu_is_said_where_one_is_wanted(project: Path) -> None:
    with workflow_of(rule("a") + rule("b", model="local"), {"models": MODELS}) as workflow:
        manufacturer = smk.gpu_manufacturer(workflow)
        assert manufacturer(Wildcards(), rulename="a") is None
        assert manufacturer(Wildcards(), rulename="b") == "nvidia"


def test_neither_names_nor_paths_nor_threads_nor_memory_nor_alias_count(table: Path) -> None:
    moved = table.with_name("moved.csv")
    moved.write_bytes(table.read_bytes())
    rules = (
        rule()
        + rule("renamed", source="moved.csv")
        + rule("grown", threads=8, mem_mb=9000)
        + rule("alias", model="same")
        + rule("other", instruction="Write a tweet.")
    )
    with workflow_of(rules, {"models": MODELS}) as workflow:
        first = fingerprint(workflow)
        assert first.startswith("xxh3:")
        assert {fingerprint(workflow, name) for name in ("renamed", "grown", "alias")} == {first}
        assert fingerprint(workflow, "other") != first


def test_a_rule_used_twice_has_two_fingerprints(table: Path) -> None:
    again = """
use rule tweets as shorter with:
    output: "results/shorter.parquet"
    params:
        model="echo",
        inputs="text",
        instruction="Shorter.",
"""
    with workflow_of(rule() + again, {"models": MODELS}) as workflow:
        assert fingerprint(workflow, "shorter") not in (fingerprint(workflow), INVALID)


def test_a_wildcard_in_a_param_counts(table: Path) -> None:
    text = (
        rule("{name}", instruction="Write in {{language}}.")
        .replace("results/{name}", "results/{language}")
        .replace("as {name} ", "as tweets ")
    )
    with workflow_of(text.replace("{{language}}", "{language}"), {"models": MODELS}) as workflow:
        found = {fingerprint(workflow, language=language) for language in ("de", "fr")}
        assert len(found) == 2
        assert INVALID not in found


@pytest.mark.parametrize(("right", "wrong"), [('"echo"', '"wrong"'), ('"text"', "3"), ("inputs=", "input=")])
def test_a_job_that_is_wrong_has_no_fingerprint_and_raises_nothing_here(table: Path, right: str, wrong: str) -> None:
    with workflow_of(rule().replace(right, wrong), {"models": MODELS}) as workflow:
        assert fingerprint(workflow) == INVALID
