"""A workflow whose model is asked through a batch API, and which is killed while the batch runs."""

from __future__ import annotations

from pathlib import Path

from tests.wire import WireServer
from tests.wire.batches import BatchApis
from tests.workflow.project import Project, kill_tree, wait_for

ROWS = 30
RULES = f"""
use rule data_from_prompt from dream as abstracts with:
    output: "results/abstracts.parquet"
    params:
        model="teacher",
        n={ROWS},
        instruction="Write an abstract.",
"""


def test_a_killed_workflow_picks_its_batch_up(tmp_path: Path) -> None:
    apis = BatchApis(seconds=600)
    with WireServer(extra_routes=apis.routes) as server:
        teacher = {"provider": "openai", "model": "gpt", "base_url": server.openai_url, "mode": "batch"}
        project = Project.with_rules(
            tmp_path / "project", RULES, {"models": {"teacher": teacher}}, target="results/abstracts.parquet"
        )
        process = project.start(output=tmp_path / "killed.log")
        wait_for(lambda: apis.seen["look"] >= 2, process=process)
        kill_tree(process)
        assert "running" in project.dreamsmk("batches", "list").stdout
        apis.accepted[0].ends_at = 0.0
        run = project.run("--rerun-incomplete")
        assert run.worked == ["abstracts"]
        assert run.calls == ROWS
        assert project.run().did_nothing
    assert len(apis.accepted) == 1
    assert len(apis.billed) == ROWS
    assert server.count == 0
