"""The README's workflow builds as it stands, but for the model that answers."""

from __future__ import annotations

import re
from pathlib import Path

import polars

from tests.workflow.project import ROOT, Project

README = (ROOT / "README.md").read_text()


def test_the_workflow_of_the_readme_builds(tmp_path: Path) -> None:
    snakefile = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    project = Project(tmp_path)
    project.write("Snakefile", snakefile.replace("n=1000", "n=5"))
    project.write("config/config.yaml", "models:\n  teacher: {provider: echo, model: echo}\n")
    project.run("results/tweets.parquet")
    tweets = polars.read_parquet(tmp_path / "results/tweets.parquet")
    assert tweets.columns == ["abstracts", "tweets"]
    assert tweets.height == 5


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) <= 150
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "config/README.md", ROOT / "ARCHITECTURE.md"]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"
