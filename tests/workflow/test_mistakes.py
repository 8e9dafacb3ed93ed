"""Mistakes are reported before any job starts, in three lines, with the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.wire.server import WireServer
from tests.workflow.project import Project

RULES = """
use rule process_with_prompt from dream as tweets with:
    input: {input}
    output: "results/tweets.parquet"
    params:
        {params}
"""
PARAMS = {"model": '"teacher"', "inputs": '"abstract"', "instruction": '"Write a tweet."'}


def project_with(folder: Path, wire: WireServer, *, source: str = '"papers.csv"', **params: str) -> Project:
    merged = {**PARAMS, **params}
    lines = "\n        ".join(f"{name}={value}," for name, value in merged.items())
    config = {"models": {"teacher": {"provider": "openai", "model": "gpt", "base_url": wire.openai_url}}}
    papers = "title,abstract\na,About attention.\n"
    rules = RULES.format(input=source, params=lines)
    return Project.with_rules(folder, rules, config, target="results/tweets.parquet", **{"papers.csv": papers})


def refused(project: Project, wire: WireServer) -> str:
    """Asserts that nothing ran, and returns what was said, as one line."""
    run = project.run(fails=True)
    assert run.ran == []
    assert wire.count == 0
    assert "Traceback" not in run.output
    message = run.output.split("WorkflowError:\n")[1].strip().splitlines()
    assert len(message) <= 4, f"three lines, and Snakemake's own that names the file: {message}"
    return " ".join(message)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"instrution": '"x"'}, ["instrution", "instruction", "tweets"]),
        ({"temperature": '"hot"'}, ["temperature", "number"]),
        ({"temperature": "-1"}, ["temperature", "0"]),
        ({"model": '"teachr"'}, ["teachr", "'teacher'"]),
        ({"inputs": '"abstrct"'}, ["abstrct", "'abstract'"]),
        ({"columns": '{"generation": "tweet"}'}, ["generation", "'generations'"]),
        ({"top_k": "5"}, ["openai", "top_k"]),
    ],
)
def test_a_wrong_param(tmp_path: Path, wire: WireServer, params: dict[str, str], said: list[str]) -> None:
    message = refused(project_with(tmp_path / "p", wire, **params), wire)
    for part in said:
        assert part in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"models": {"teacher": {"provider": "openai", "model": "gpt", "temprature": 1}}},
            ["temprature", "temperature"],
        ),
        ({"models": {"teacher": {"provider": "opnai", "model": "gpt"}}}, ["opnai", "'openai'"]),
        ({"models": {"teacher": {"provider": "openai"}}}, ["models.teacher", "model"]),
        ({"modles": {"teacher": {"provider": "openai", "model": "gpt"}}}, ["modles", "models"]),
        ({"models": {"teacher": {"provider": "openai", "model": "gpt"}}}, ["OPENAI_API_KEY"]),
        ({"models": {"teacher": {"provider": "openai", "model": "gpt", "api_key": "sk-1"}}}, ["environment"]),
    ],
)
def test_a_wrong_config(tmp_path: Path, wire: WireServer, change: dict[str, Any], said: list[str]) -> None:
    project = project_with(tmp_path / "p", wire)
    project.configure(change)
    message = refused(project, wire)
    assert "sk-1" not in message
    for part in said:
        assert part in message


def test_an_unknown_input_role(tmp_path: Path, wire: WireServer) -> None:
    message = refused(project_with(tmp_path / "p", wire, source='tabel="papers.csv"'), wire)
    assert "tabel" in message
    assert "'table'" in message


def test_a_column_that_a_later_rule_will_not_have(tmp_path: Path, wire: WireServer) -> None:
    project = project_with(tmp_path / "p", wire, columns='{"generations": "tweet"}')
    project.replace("Snakefile", 'input: "results/tweets.parquet"', 'input: "results/short.parquet"')
    project.write(
        "Snakefile",
        (project.folder / "Snakefile").read_text()
        + """
use rule process_with_prompt from dream as short with:
    input: "results/tweets.parquet"
    output: "results/short.parquet"
    params:
        model="teacher",
        inputs="tweets",
        instruction="Shorter.",
""",
    )
    message = refused(project, wire)
    assert "'tweets'" in message
    assert "'tweet'" in message


def test_an_unknown_rule_of_the_library(tmp_path: Path, wire: WireServer) -> None:
    project = project_with(tmp_path / "p", wire)
    project.replace("Snakefile", "use rule process_with_prompt", "use rule proces_with_prompt")
    run = project.run(fails=True)
    assert "'process_with_prompt'" in run.output


def test_an_empty_cell_is_named_before_the_first_call(tmp_path: Path, wire: WireServer) -> None:
    project = project_with(tmp_path / "p", wire)
    project.write("papers.csv", "title,abstract\na,About attention.\nb,\n")
    run = project.run(fails=True)
    assert "row 1" in run.output
    assert wire.count == 0


def test_an_empty_table_stays_empty_and_keeps_its_columns(tmp_path: Path, wire: WireServer) -> None:
    import polars

    project = project_with(tmp_path / "p", wire)
    project.write("papers.csv", "title,abstract\n")
    project.run()
    table = polars.read_parquet(project.folder / "results/tweets.parquet")
    assert table.schema == {"inputs": polars.String, "generations": polars.String}
    assert table.height == 0
    assert wire.count == 0


def test_a_refused_call_says_the_providers_words_and_keeps_the_others(tmp_path: Path, wire: WireServer) -> None:
    project = project_with(tmp_path / "p", wire)
    project.write("papers.csv", "title,abstract\na,About attention.\nb,About poison.\nc,About cards.\n")
    wire.fail("status", status=400, contains="poison", message="this text is not allowed")
    run = project.run(fails=True)
    assert "this text is not allowed" in run.output
    assert wire.count == 3
    wire.faults.clear()
    project.run()
    assert wire.count == 4, "only the call that failed is made again"
