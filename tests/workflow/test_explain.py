"""`dreamsmk explain` and `dreamsmk diff`, on workflows that real Snakemake ran."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars
import pytest

from tests.wire.server import WireServer
from tests.workflow.project import Project

RULES = """
use rule process_with_prompt from dream as tweets with:
    input: "papers.csv", instruction="prompts/tweet.txt"
    output: "results/tweets.parquet"
    params:
        model="teacher",
        inputs="abstract",
        columns={"generations": "tweet"},

use rule process_with_prompt from dream as short with:
    input: "results/tweets.parquet"
    output: "results/short.parquet"
    params:
        model="teacher",
        inputs="tweet",
        instruction="You are a careful editor. Make this text shorter. Keep all names as they are.",

use rule map from dream as loud with:
    input: "results/short.parquet"
    output: "results/loud.parquet"
    params:
        function="scripts/steps.py:shout",

print("a Snakefile may talk")
"""
PAPERS = "title,abstract\na,About attention.\nb,About scaling.\nc,About distillation.\n"
STEPS = """
END = "!"

def shout(row):
    return {"text": row["generations"] + END}
"""
PROMPT = "Write a tweet.\nKeep it short.\n"


@pytest.fixture
def project(tmp_path: Path, wire: WireServer) -> Project:
    config = {"models": {"teacher": {"provider": "openai", "model": "gpt", "base_url": wire.openai_url}}}
    files = {"papers.csv": PAPERS, "prompts/tweet.txt": PROMPT, "scripts/steps.py": STEPS}
    project = Project.with_rules(tmp_path / "project", RULES, config, target="results/loud.parquet", **files)
    project.run()
    return project


def explained(project: Project, target: str, *flags: str) -> dict[str, Any]:
    done = project.dreamsmk("explain", target, "--json", *flags)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found if flags else found[0]


def text(project: Project, *arguments: str) -> str:
    done = project.dreamsmk(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def state_of(folder: Path) -> dict[str, int]:
    """Returns every file but what reading a workflow may leave: the stat memo."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("digests.db"))
    return {str(path): path.stat().st_mtime_ns for path in files}


def test_explain_says_that_nothing_changed_and_leaves_everything_as_it_was(project: Project, wire: WireServer) -> None:
    before, asked = state_of(project.folder), wire.count
    said = text(project, "explain", "results/short.parquet")
    assert said.endswith("now          nothing changed: it would not run\n")
    assert "may talk" not in said
    assert state_of(project.folder) == before
    assert wire.count == asked


def test_explain_names_every_change_from_the_target_to_its_sources(project: Project) -> None:
    project.replace("Snakefile", "Make this text shorter.", "Make this text much shorter.")
    project.replace("prompts/tweet.txt", "Keep it short.", "Be kind.")
    project.write("papers.csv", PAPERS + "d,About cards.\n")
    config = project.config
    config["models"]["teacher"]["temperature"] = 0.5
    project.configure(config)
    project.replace("scripts/steps.py", 'END = "!"', 'END = "!!"  # louder')
    loud = text(project, "explain", "results/loud.parquet")
    assert "would run: its code changed, and it waits for short" in loud
    assert '      scripts/steps.py:END\n        - END = "!"\n        + END = "!!"' in loud
    assert "  before it    tweets" in loud
    said = text(project, "explain", "results/short.parquet")
    now, before = said[said.index("  now ") :].split("  before it ")
    assert "would run: its parameter 'instruction' and its model changed, and it waits for tweets" in now
    assert "      - Make this text shorter.\n      + Make this text much shorter.\n" in now
    assert "models.model.sampling.temperature: (none) -> 0.5   (model 'teacher' of the config)" in now
    assert "would run: its model and 2 of its inputs changed" in before
    assert "inputs.instruction: prompts/tweet.txt" in before
    assert "      - Keep it short.\n      + Be kind." in before
    assert "rows     3 -> 4" in before
    changes = explained(project, "results/tweets.parquet")["now"]["changes"]
    paths = [change["path"] for change in changes]
    assert paths == ["models.model.sampling.temperature", "inputs.instruction", "inputs.table"]


def test_explain_tells_restored_missing_and_damaged_targets_apart(project: Project) -> None:
    short, tweets = project.folder / "results/short.parquet", project.folder / "results/tweets.parquet"
    good = short.read_bytes()
    short.unlink()
    now = explained(project, "results/short.parquet")["now"]
    assert (now["verdict"], now["target"]) == ("restored", "missing")
    short.write_bytes(good)
    polars.read_parquet(short).head(1).write_parquet(short)
    assert explained(project, "results/short.parquet")["now"]["target"] == "changed"
    short.write_bytes(good)
    # a table that the store still has in its earlier version is compared row by row
    frame = polars.read_parquet(tweets)
    frame.vstack(frame.head(1)).with_columns(tweet=polars.col("tweet") + ".").tail(3).write_parquet(tweets)
    found = explained(project, "results/short.parquet")
    (change,) = found["now"]["changes"]
    assert change["path"] == "inputs.table"
    assert change["input"]["changes"] == {"added": 3, "removed": 3, "columns_added": [], "columns_removed": []}


def test_explain_speaks_of_the_record_alone_where_it_cannot_read_the_workflow(project: Project) -> None:
    project.write("Snakefile", (project.folder / "Snakefile").read_text() + "\nraise ValueError('broken')\n")
    found = explained(project, "results/short.parquet")
    assert found["record"]["rule"] == "short"
    assert found["now"] is None
    assert "broken" in found["why_not_known"]
    (project.folder / "Snakefile").unlink()
    assert "there is no workflow in this folder" in text(project, "explain", "results/short.parquet")
    done = project.dreamsmk("explain", "results/shirt.parquet")
    assert done.returncode == 2
    assert "did you mean 'results/short.parquet'?" in done.stderr


def test_explain_shows_the_nearest_stored_call_of_one_that_missed(project: Project) -> None:
    hit = explained(project, "results/tweets.parquet", "--why-not-cached", "1")
    assert hit["reply"]["text"]
    project.replace("prompts/tweet.txt", "Keep it short.", "Be kind.")
    miss = explained(project, "results/tweets.parquet", "--why-not-cached", "1")
    assert miss["reply"] is None
    assert miss["nearest"]["key"] == hit["key"]
    (difference,) = miss["nearest"]["differences"]
    assert difference["path"] == "messages.0.content"
    assert "+ Be kind." in difference["diff"]
    done = project.dreamsmk("explain", "results/tweets.parquet", "--why-not-cached", "3")
    assert done.returncode == 2
    assert "the job makes 3 calls" in done.stderr


def test_diff_has_an_exit_status_for_each_level(project: Project, tmp_path: Path, wire: WireServer) -> None:
    other = Project(tmp_path / "other", project.environment)
    shutil.copytree(project.folder, other.folder)
    short = "results/short.parquet"
    pair = (f"{project.folder}/{short}", f"{other.folder}/{short}")
    assert project.dreamsmk("diff", *pair).returncode == 0
    assert project.dreamsmk("diff", str(project.folder), str(other.folder)).stdout.count("same bytes") == 3

    polars.read_parquet(other.folder / short).write_parquet(other.folder / short, compression="gzip")
    assert project.dreamsmk("diff", *pair).returncode == 10

    polars.read_parquet(other.folder / short).reverse().write_parquet(other.folder / short)
    assert project.dreamsmk("diff", *pair).returncode == 11

    other.write("papers.csv", PAPERS + "d,About cards.\n")
    other.run()
    found = project.dreamsmk("diff", *pair)
    assert found.returncode == 12
    assert "tweets.inputs.table (papers.csv): 'xxh3:" in found.stdout

    other.replace("prompts/tweet.txt", "Keep it short.", "Be kind.")
    other.replace("Snakefile", "Make this text shorter.", "Make this text much shorter.")
    other.run()
    found = project.dreamsmk("diff", str(project.folder), str(other.folder), "--json")
    assert found.returncode == 1
    told = json.loads(found.stdout)
    assert {target["path"]: target["level"] for target in told["targets"]} == {
        "results/loud.parquet": "different plan",
        "results/short.parquet": "different plan",
        "results/tweets.parquet": "same plan",
    }
    assert project.dreamsmk("diff", str(project.folder), "nowhere").returncode == 2
