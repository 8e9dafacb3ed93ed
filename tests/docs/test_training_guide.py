"""The guide to training names every trainer that there is, and its rules are right."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from dreamsmk.smk.meta import load_meta, rule_names
from tests.tiny import make_tiny_model
from tests.workflow.project import ROOT, Project

GUIDE = (ROOT / "docs/guides/training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_every_trainer_is_in_the_guide() -> None:
    for name in rule_names():
        if ".training." in load_meta(name).task:
            assert f"`{name}`" in GUIDE


def test_the_rules_of_the_guide_pass_every_check(tmp_path: Path) -> None:
    rules = "\n\n".join(block for block in BLOCKS if block.startswith("use rule"))
    pairs = pl.DataFrame({"question": ["a", "b"], "chosen": ["c", "d"], "rejected": ["e", "f"]})
    project = Project.with_rules(
        tmp_path, rules, {"models": {"chat": {"provider": "transformers", "model": "tiny"}}}, target="results/loss.svg"
    )
    make_tiny_model(tmp_path / "tiny")
    (tmp_path / "results").mkdir(exist_ok=True)
    for part in ("train", "validation"):
        pairs.write_parquet(tmp_path / f"results/{part}.parquet")
    said = project.run("-n").output
    assert "rule adapter" in said or "adapter  " in said
