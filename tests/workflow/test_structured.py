"""Replies that follow a schema, from the Snakefile to the table, and rows that fail."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.wire.server import WireServer
from tests.workflow.project import Project

RULES = """
use rule process_with_prompt from dream as facts with:
    input:
        table="papers.csv",
        schema="facts.yaml",
    output: "results/facts.parquet"
    params:
        model="teacher",
        inputs="abstract",
        instruction="Tell the facts.",
        keep=["generations"],
        max_failures=0,

use rule data_from_prompt from dream as ideas with:
    output: "results/ideas.parquet"
    params:
        model="teacher",
        n=2,
        instruction="Have an idea.",
        schema={"type": "object", "properties": {"idea": {"type": "string"}, "good": {"type": "boolean"}}},
        fail_on=["length"],
        max_failures=0.5,

use rule process_with_prompt from dream as short with:
    input: "results/ideas.parquet"
    output: "results/short.parquet"
    params:
        model="teacher",
        inputs="idea",
        instruction="Make it shorter.",
"""
SCHEMA = """
type: object
required: [title]
properties:
    title: {type: string}
    year: {type: [integer, "null"]}
    authors: {type: array, items: {type: object, properties: {name: {type: string}}}}
"""
PAPERS = "abstract\nAbout attention.\nAbout scaling.\nAbout cards.\n"
GOOD = {"title": "Attention", "year": 2017, "authors": [{"name": "V."}]}


@pytest.fixture
def project(tmp_path: Path, wire: WireServer) -> Project:
    teacher = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url, "max_concurrency": 1}
    project = Project.with_rules(
        tmp_path / "project",
        RULES,
        {"models": {"teacher": {**teacher, "prices": {"input_usd_per_million": 1, "output_usd_per_million": 2}}}},
        target='results/facts.parquet", "results/short.parquet',
        **{"papers.csv": PAPERS, "facts.yaml": SCHEMA},
    )
    wire.reply("'never' is not of type", '{"title": "x", "year": "never"}')
    wire.reply("does not follow the JSON Schema", '{"title": "Scaling"}')
    wire.reply("attention", json.dumps(GOOD))
    wire.reply("scaling", '{"name": "Scaling"}')
    wire.reply("cards", '{"title": "x", "year": "never"}')
    return project


def test_fields_become_columns_a_bad_reply_is_repaired_and_what_fails_is_told(
    project: Project, wire: WireServer
) -> None:
    failed = project.run("results/facts.parquet", fails=True)
    assert "facts: 1 of 3 rows got no reply: year: 'never' is not of type 'integer', 'null'" in failed.output
    assert "all 1 failed rows are in logs/facts.failures.parquet" in failed.output
    assert wire.count == 5, "one call a row, and one repair for each of two"
    (row,) = pl.read_parquet(project.folder / "logs/facts.failures.parquet").iter_rows(named=True)
    assert (row["row"], row["alias"], row["kind"]) == (2, "teacher", "schema")
    assert "About cards." in row["request"]

    project.replace("Snakefile", "max_failures=0,", "max_failures=1,")
    plan = json.loads(project.dreamsmk("plan", "--json", "results/facts.parquet").stdout)
    assert plan["totals"]["to_make"] == 0
    run = project.run("results/facts.parquet")
    assert wire.count == 5, "nothing is paid for twice, a reply that cannot be used neither"
    assert "; 0 calls, 5 from the cache, 1 failed (see logs/facts.failures.parquet)" in run.output
    table = pl.read_parquet(project.folder / "results/facts.parquet")
    assert table.columns == ["inputs", "title", "year", "authors", "generations", "failure"]
    assert table.schema["authors"] == pl.List(pl.Struct({"name": pl.String()}))
    assert table["title"].to_list() == ["Attention", "Scaling", None]
    assert table["authors"].to_list() == [[{"name": "V."}], None, None]
    assert table["failure"].to_list() == [None, None, "schema: year: 'never' is not of type 'integer', 'null'"]

    (project.folder / "facts.yaml").write_text(SCHEMA + "additionalProperties: true\n")
    assert project.run("-n", "results/facts.parquet").ran == ["facts"], "the content of the schema counts"


def test_the_columns_are_known_before_anything_runs(project: Project, wire: WireServer) -> None:
    wire.tell("idea", finish_reason="length")
    project.replace("Snakefile", 'inputs="idea"', 'inputs="ideas"')
    run = project.run("results/short.parquet", fails=True)
    assert "the input 'table' has no column 'ideas'" in run.output
    assert "did you mean 'idea'?" in run.output
    project.replace("Snakefile", '{"type": "boolean"}', '{"type": "bool"}')
    run = project.run("results/short.parquet", fails=True)
    assert "this is no JSON Schema" in run.output
    assert "rule ideas, " in run.output
    assert wire.count == 0
    project.replace("Snakefile", '{"type": "bool"}', '{"type": "boolean"}')
    project.replace("Snakefile", "max_failures=0.5", "max_failures=1.5")
    run = project.run("results/ideas.parquet", fails=True)
    assert "2 of 2 rows got no reply: the reply was cut off" in run.output


MADE = """
rule made:
    output:
        schema="made.yaml",
        images=directory("pictures"),
    shell: "cp facts.yaml {output.schema}; mkdir {output.images}; printf 'GIF89a' > {output.images}/a.gif"

use rule process_with_prompt from dream as seen with:
    input:
        table="shown.csv",
        schema="made.yaml",
        images="pictures",
    output: "results/seen.parquet"
    params:
        model="teacher",
        inputs="abstract",
        images="file",
        instruction="Tell what it shows.",

use rule process_with_prompt from dream as after with:
    input: "results/seen.parquet"
    output: "results/after.parquet"
    params:
        model="teacher",
        inputs="title",
        instruction="Say it again.",
"""


def test_a_schema_and_a_folder_that_other_rules_make_are_planned_and_then_read(
    project: Project, wire: WireServer
) -> None:
    project.write("Snakefile", project.folder.joinpath("Snakefile").read_text() + MADE)
    project.write("shown.csv", "abstract,file\nattention,a.gif\nscaling,\n")
    plan = json.loads(project.dreamsmk("plan", "--json", "results/after.parquet").stdout)
    assert {job["rule"]: job["to_make"] for job in plan["jobs"]} == {"made": 0, "seen": 2, "after": 2}
    assert plan["totals"]["is_estimate"] is True
    run = project.run("results/after.parquet")
    assert run.calls == 5, "a row of `seen` was repaired"
    assert sum("base64" in json.dumps(call.body) for call in wire.requests) == 1
    table = pl.read_parquet(project.folder / "results/seen.parquet")
    assert table["title"].to_list() == ["Attention", "Scaling"]
