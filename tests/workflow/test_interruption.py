"""A killed workflow goes on where it was."""

from __future__ import annotations

from pathlib import Path

from tests.wire.server import WireServer
from tests.workflow.project import Project, kill_tree, wait_for

ROWS = 60
IN_FLIGHT = 4

RULES = f"""
use rule data_from_prompt from dream as abstracts with:
    output: "results/abstracts.parquet"
    params:
        model="teacher",
        n={ROWS},
        instruction="Write an abstract.",
"""


def test_no_reply_is_paid_for_twice(tmp_path: Path, wire: WireServer) -> None:
    """SIGKILL during generation: the next run asks only for what had not arrived."""
    teacher = {"provider": "openai", "model": "gpt", "base_url": wire.openai_url, "max_concurrency": IN_FLIGHT}
    project = Project.with_rules(
        tmp_path / "project", RULES, {"models": {"teacher": teacher}}, target="results/abstracts.parquet"
    )
    wire.latency_seconds = 0.15
    for enough in (12, 30):
        process = project.start(output=tmp_path / "killed.log")
        wait_for(lambda enough=enough: wire.count >= enough, process=process)
        kill_tree(process)
    wire.latency_seconds = 0.0
    run = project.run()
    assert run.worked == ["abstracts"]
    # a reply that arrived less than 100 ms before the kill may not have been durable yet
    assert wire.count <= ROWS + 2 * 2 * IN_FLIGHT
    assert project.run().did_nothing
