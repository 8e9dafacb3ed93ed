"""A row-wise rule in shards gives the rows that it gives without, asks nothing twice, and looks like one rule."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars

from dreamsmk.hashing import digest_rows
from tests.wire.server import WireServer
from tests.workflow.project import Project

COUNT = 22
ROWS = "".join(f"t{n},About é subject {n},{n if n % 3 else ''}\n" for n in range(COUNT))
PAPERS = "title,abstract,cites\n" + ROWS
RULES = """
use rule select from dream as papers with:
    input: "papers.csv"
    output: "resources/papers.parquet"
    params: columns=["abstract", "cites"]

use rule process_with_prompt from dream as tweets with:
    input: table=rules.papers.output, instruction="prompt.txt"
    output: "results/{kind}/tweets.parquet"
    log: "logs/{kind}.log"
    params: model="teacher", inputs="abstract", columns={"generations": "tweet"}, SHARDS

use rule rename from dream as final with:
    input: expand(rules.tweets.output, kind="short")
    output: "results/final.parquet"
    params: columns={"tweet": "text"}, shards=2
"""
FINAL = "results/final.parquet"


def project_of(folder: Path, wire: WireServer, shards: str) -> Project:
    teacher = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url, "max_retries": 0}
    files = {"papers.csv": PAPERS, "prompt.txt": "Write a tweet."}
    rules = RULES.replace("SHARDS", shards)
    return Project.with_rules(folder, rules, {"models": {"teacher": teacher}}, target=FINAL, **files)


def of_shards(ran: list[str], rule: str) -> int:
    return ran.count(rule)


def test_a_sharded_build_is_the_unsharded_one_and_shards_may_change(tmp_path: Path, wire: WireServer) -> None:
    plain = project_of(tmp_path / "plain", wire, "")
    plain.run()
    assert wire.count == COUNT

    project = project_of(tmp_path / "p", wire, "shards=6")
    run = project.run()
    assert (of_shards(run.worked, "tweets_shard"), of_shards(run.worked, "tweets")) == (6, 6)
    assert wire.count == 2 * COUNT
    assert digest_rows(project.folder / FINAL) == digest_rows(plain.folder / FINAL)
    tweets = project.folder / "results/short/tweets.parquet"
    assert digest_rows(tweets) == digest_rows(plain.folder / "results/short/tweets.parquet")
    assert sorted(path.name for path in (project.folder / "logs/short").glob("*.log")) == [
        f"{n}-of-6.log" for n in range(1, 7)
    ]
    assert project.run().did_nothing

    project.replace("Snakefile", "shards=6", "shards=4")
    assert json.loads(project.dreamsmk("plan", "--json").stdout)["totals"]["to_make"] == 0
    run = project.run()
    assert (of_shards(run.worked, "tweets_shard"), of_shards(run.worked, "tweets")) == (4, 4)
    assert wire.count == 2 * COUNT, "other shards ask for nothing"
    assert set(run.worked) == {"tweets", "tweets_shard", "tweets_gather"}, "the same rows: all behind it stays"

    project.write("papers.csv", PAPERS + "last,About the end,1\n")
    run = project.run()
    assert wire.count == 2 * COUNT + 1
    assert of_shards(run.worked, "tweets") == 1, "the other pieces are as they were"
    assert polars.read_parquet(project.folder / FINAL).height == COUNT + 1

    project.replace("Snakefile", "shards=4", "")
    assert project.run("--set-scatter", "tweets=3").worked == ["tweets"], "without shards, once more, from the cache"
    assert wire.count == 2 * COUNT + 1


def test_the_rule_in_shards_is_named_like_one_without(tmp_path: Path, wire: WireServer) -> None:
    project = project_of(tmp_path / "p", wire, "shards=3")
    project.replace("Snakefile", "results/{kind}/tweets.parquet", "results/short/tweets.parquet")
    project.replace("Snakefile", "logs/{kind}.log", "logs/short.log")
    project.replace("Snakefile", 'expand(rules.tweets.output, kind="short")', "rules.tweets.output")
    run = project.run("tweets", "--set-scatter", "tweets=4")
    assert of_shards(run.worked, "tweets") == 4
    assert (project.folder / "results/short/tweets.parquet").is_file()
    assert project.run("--until", "tweets", "--set-scatter", "tweets=4").ran == []
    run = project.run()
    assert of_shards(run.worked, "tweets") == 3
    run = project.run("--forcerun", "tweets")
    assert of_shards(run.worked, "tweets") == 3
    assert wire.count == COUNT
    assert project.run("--force", "tweets").worked.count("tweets") == 3

    shutil.rmtree(project.folder / "results")
    run = project.run()
    assert run.worked == []
    assert of_shards(run.restored, "tweets") == 3
    linted = project.run("--lint")
    assert "good condition" in linted.output

    wire.fail("status", status=400, contains="subject 21")
    project.replace("Snakefile", "shards=3", "shards=3, temperature=0.5")
    run = project.run("--keep-going", fails=True)
    assert wire.count == 2 * COUNT, "the other pieces and the other rows are answered"
    assert [path.name for path in project.folder.glob("logs/short/*.failures.parquet")] == ["3-of-3.failures.parquet"]
    wire.clear()
    assert of_shards(project.run().worked, "tweets") == 1
    assert wire.count == 1, "what was made of it is made anew, though it is there: the failed piece is not"


SUBMIT = """#!/bin/sh
# takes the script that a cluster would run on some node, and does not wait for it
echo "$1" >> submitted.txt
sh "$1" > "$1.log" 2>&1 &
echo $!
"""
PIECES = """
checkpoint listed:
    output: "resources/kind.txt"
    shell: "echo small > {output}"

def chosen(wildcards):
    return "data/" + open(checkpoints.listed.get().output[0]).read().strip() + ".csv"

module beside:
    snakefile: dreamsmk.rules()
    config: config
    prefix: "beside"

use rule map from dream as steps with:
    input: chosen
    output: "results/steps.parquet"
    params:
        function="steps.py:step",
        columns={"n": "Int64", "what": "String"},
        shards=4,

use rule process_with_prompt from beside as asked with:
    input: table=rules.steps.output
    params: model="echo", inputs="what", instruction="Say.", keep=["reasoning", "finish_reason"], shards=3
"""
STEP = "def step(row):\n    return {'n': row['n'], 'what': row['t']} if row['n'] != 2 else None\n"


def test_pieces_without_rows_pieces_on_a_cluster_and_an_input_that_a_checkpoint_chooses(tmp_path: Path) -> None:
    files = {"data/small.csv": "n,t\n1,a\n2,b\n,c\n", "steps.py": STEP, "submit.sh": SUBMIT}
    target, config = (
        "beside/results/process_with_prompt.parquet",
        {"models": {"echo": {"provider": "echo", "model": "e"}}},
    )
    project = Project.with_rules(tmp_path / "p", PIECES, config, target=target, **files)
    flags = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", "sh submit.sh", "--jobs", "4"]
    flags += ["--seconds-between-status-checks", "1"]
    project.run(*flags)
    submitted = (project.folder / "submitted.txt").read_text().splitlines()
    assert len(submitted) == 1 + 4 + 3, "the checkpoint, and what works on pieces; cutting and gathering stay here"
    assert polars.read_parquet(project.folder / "results/steps.parquet").rows() == [(1, "a"), (None, "c")]
    made = polars.read_parquet(project.folder / target)
    assert made.height == 2
    empty = polars.read_parquet(project.folder / "beside/results/shards/process_with_prompt/made-3-of-3.parquet")
    assert empty.height == 0
    assert empty.schema == made.schema, "a piece without rows has the columns and types of all"
    assert project.run(*flags).did_nothing

    project.write("data/small.csv", "n,t\n")
    project.run()
    none = polars.read_parquet(project.folder / target)
    assert none.height == 0
    assert none.schema == made.schema
