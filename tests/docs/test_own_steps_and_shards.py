"""What the guides to shards and to own steps show builds as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import polars
import pytest

from tests.workflow.project import ROOT, Project

PAPERS = "id,abstract\n" + "".join(f"{n},About subject {n}\n" for n in range(9))


@pytest.mark.parametrize(("guide", "made"), [("own-steps", "title"), ("shards", "generations")])
def test_the_files_of_the_guide_build(tmp_path: Path, guide: str, made: str) -> None:
    text = (ROOT / f"docs/guides/{guide}.md").read_text()
    project = Project(tmp_path)
    for name, block in re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL):
        project.write(name, block)
    project.write("papers.csv", PAPERS)
    project.run()
    (table,) = (tmp_path / "results").glob("*.parquet")
    assert polars.read_parquet(table)[made].null_count() == 0
    assert polars.read_parquet(table).height == 9
    assert project.run().did_nothing
