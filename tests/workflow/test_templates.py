"""Templates in a Snakefile: braces are no wildcards, columns are known before a run, and plans count their calls."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from tests.workflow.project import Project

SNAKEFILE = """
import dreamsmk

config["models"] = {"writer": {"provider": "echo", "model": "echo"}}

module dream:
    snakefile: dreamsmk.rules()
    config: config

rule all:
    default_target: True
    input: "results/food/short.parquet", "results/counted.parquet"

use rule data_from_attributed_prompt from dream as notes with:
    output: "results/{topic}/notes.parquet"
    params:
        model="writer",
        instruction=lambda wildcards: "Note {number} about " + wildcards.topic,
        attributes={"number": [1, 2, 3]},

use rule prompt from dream as short with:
    input: "results/{topic}/notes.parquet"
    output: "results/{topic}/short.parquet"
    params:
        model="writer",
        template="{{ number }}: {{ generations }}",
        system_prompt="You know of {topic}.",

use rule prompt from dream as counted with:
    input: "results/food/notes.parquet"
    output: "results/counted.parquet"
    params:
        model="writer",
        template="{{ number + 1 }}: {{ generations }}",
"""


def test_templates_and_wildcards_stand_side_by_side(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("Snakefile", SNAKEFILE)
    planned = project.dreamsmk("plan", "--json")
    assert planned.returncode == 0, planned.stderr
    jobs = {job["rule"]: job for job in json.loads(planned.stdout)["jobs"]}
    assert jobs["notes"]["to_make"] == 3
    assert jobs["short"]["to_make"] == 3
    assert jobs["counted"]["to_make"] is None, "a stand-in is not like the rows to come"
    project.run()
    table = pl.read_parquet(tmp_path / "results/food/short.parquet")
    assert [prompt.partition(": ")[0] for prompt in table["prompts"]] == ["1", "2", "3"]
    assert table["prompts"][0].endswith("Note 1 about food")
    assert project.run().did_nothing
    project.write("Snakefile", SNAKEFILE.replace("{{ number }}: ", "{{ nummer }}: "))
    failed = project.run(fails=True)
    assert "the template uses 'nummer', and the table has no such column" in failed.output
    assert failed.worked == []
