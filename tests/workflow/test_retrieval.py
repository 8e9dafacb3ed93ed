"""An index is a target of its own: what depends on it, and what is refused before anything is made."""

from __future__ import annotations

from pathlib import Path

from dreamsmk.hashing import digest_rows
from tests.workflow.project import Project

RULES = """
use rule index from dream as papers with:
    input: "papers.csv"
    output: directory("results/papers.index")
    params: model="encoder", column="text", normalize=True

use rule rag_prompt from dream as answers with:
    input: table="asked.csv", index="results/papers.index", corpus="papers.csv"
    output: "results/answers.parquet"
    params: model="writer", embedder="encoder", inputs="question", documents="text", k=1, temperature=0.5
"""
ECHO = {"provider": "echo", "model": "echo"}
CONFIG = {"models": {"writer": ECHO, "encoder": ECHO, "other": {"provider": "echo", "model": "another"}}}
PAPERS = "text\nthe loss of a model\na network of attention\nsoup\n"
ASKED = "question\nthe loss\nattention\n"


def test_an_index_follows_its_table_and_refuses_another_model(tmp_path: Path) -> None:
    project = Project.with_rules(tmp_path / "project", RULES, CONFIG, target="results/answers.parquet")
    project.write("papers.csv", PAPERS)
    project.write("asked.csv", ASKED)

    project.replace("Snakefile", 'embedder="encoder"', 'embedder="other"')
    refused = project.run(fails=True)
    assert "not the one that the index was made with" in refused.output
    assert "rule answers, params.embedder" in refused.output
    assert not refused.ran, "before anything runs"
    project.replace("Snakefile", 'embedder="other"', 'embedder="encoder"')

    assert project.run().worked == ["answers", "papers"]
    assert project.run().did_nothing
    project.write("papers.csv", PAPERS + "bread\n")
    changed = project.run()
    assert changed.worked == ["answers", "papers"]
    assert changed.calls == 1, "the vector of the new row: the prompts are what they were"
    project.write("papers.csv", PAPERS)
    reverted = project.run()
    assert (reverted.worked, reverted.calls) == ([], 0)

    project.configure({"models": {**CONFIG["models"], "encoder": {"provider": "anthropic", "model": "c"}}})
    refused = project.run(fails=True)
    assert "gives no embedding" in refused.output or "ANTHROPIC_API_KEY" in refused.output
    assert not refused.ran


SHARDED = """
use rule embed from dream as vectors with:
    input: "papers.csv"
    output: "results/vectors.parquet"
    params: model="encoder", texts="text", SHARDS
"""


def test_vectors_made_in_shards_are_those_made_at_once(tmp_path: Path) -> None:
    made = []
    for shards in ("", "shards=2"):
        rules = SHARDED.replace("SHARDS", shards)
        project = Project.with_rules(tmp_path / f"p{shards}", rules, CONFIG, target="results/vectors.parquet")
        project.write("papers.csv", PAPERS + PAPERS.partition("\n")[2] * 8)
        assert project.run().calls == 3
        made.append(digest_rows(project.folder / "results/vectors.parquet"))
    assert made[0] == made[1]
