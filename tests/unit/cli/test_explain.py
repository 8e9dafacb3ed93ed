"""`dreamsmk explain`: what made a target, from what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Ask

TWEETS = "results/tweets.parquet"


def test_it_says_the_rule_the_fingerprint_its_parts_and_the_ancestors(ask: Ask, project: Path) -> None:
    said = ask("explain", TWEETS)
    assert said.status == 0
    assert said.out.startswith(f"{TWEETS}\n  made by      tweets (process_with_prompt, version 1)\n")
    assert 'params.inputs = "abstracts"' in said.out
    assert "results/abstracts.parquet, abstracts xxh3:" in said.out


def test_the_json_has_the_record_and_every_ancestor(ask: Ask, project: Path) -> None:
    (entry,) = json.loads(ask("explain", TWEETS, "--json").out)
    assert entry["target"] == TWEETS
    assert entry["record"]["task"]["name"] == "process_with_prompt"
    assert entry["record"]["fingerprint"].startswith("xxh3:")
    assert [step["name"] for step in entry["ancestors"]] == ["abstracts", "tweets"]


def test_a_source_was_made_by_nobody(ask: Ask, project: Path) -> None:
    said = ask("explain", "README.md")
    assert said.status == 1
    assert said.err.splitlines()[:2] == ["dreamsmk: no job is known to have made this", "at: README.md"]


def test_outside_a_workflow_it_says_where_to_go(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = ask("explain", TWEETS)
    assert said.status == 2
    assert "run snakemake first" in said.err
    assert list(tmp_path.iterdir()) == []
