"""The rules of the guide to data build as they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.hub.examples import hub_of_examples
from tests.workflow.project import ROOT, Project

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/guides/data-in-and-out.md").read_text(), re.DOTALL)


def test_the_rules_of_the_guide_build(tmp_path: Path) -> None:
    raw = 'paper;stars;review\nAttention;5;"Short; and it holds."\n'
    files = {"raw/2025.csv": raw}
    project = Project.with_rules(tmp_path / "guide", "\n".join(BLOCKS), {}, target="results/chats.jsonl", **files)
    with hub_of_examples(tmp_path / "hub") as environment:
        project.environment |= environment
        project.run("results/chats.jsonl", "resources/films.parquet", "resources/smollm2")
    assert (project.folder / "resources/smollm2/config.json").is_file()
    chat = json.loads((project.folder / "results/chats.jsonl").read_text())
    assert [turn["content"] for turn in chat["messages"]] == ["You review papers.", "Attention", "Short; and it holds."]
