"""`dreamsmk card`: the card of what the workflow made, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamsmk.cards import check_card
from tests.unit.cli.conftest import Ask

TWEETS = "results/tweets.parquet"


def test_the_card_is_traced_to_the_start_and_shows_rows(ask: Ask, project: Path) -> None:
    said = ask("card", TWEETS, "--title", "My tweets")
    assert said.status == 0
    assert "# My tweets\n" in said.out
    assert "results/abstracts.parquet" in said.out
    assert "3 of 8 rows" in said.out
    assert str(project) not in said.out


def test_the_json_is_a_valid_card(ask: Ask, project: Path) -> None:
    check_card(json.loads(ask("card", TWEETS, "--json").out))


@pytest.mark.parametrize("command", ["card", "explain"])
def test_a_target_that_is_not_there_is_answered_with_the_nearest(ask: Ask, project: Path, command: str) -> None:
    for wrong, right in (("results/tweets.parque", TWEETS), ("resuls/tweets.parquet", "results")):
        said = ask(command, wrong)
        assert said.status == 2
        assert said.out == ""
        assert said.err == f"dreamsmk: there is no {wrong!r}\nhint: did you mean {right!r}?\n"


def test_a_source_has_no_card_and_that_is_no_wrong_request(ask: Ask, project: Path) -> None:
    said = ask("card", "config/config.yaml")
    assert said.status == 1
    assert "no job is known to have made this" in said.err


def test_a_target_that_was_changed_by_hand_is_not_described_as_if_it_was_not(ask: Ask, made: Path) -> None:
    # in the folder in which it was made: what was last put at a path is known by the whole path
    report = made / "results" / "cards" / "tweets.md"
    before = report.read_bytes()
    try:
        report.write_text("changed")
        said = ask("card", str(report), "--home", str(made / ".dreamsmk"))
    finally:
        report.write_bytes(before)
    assert said.status == 1
    assert "was changed after it was made" in said.err


def test_a_project_that_was_moved_still_knows_its_targets(ask: Ask, project: Path) -> None:
    assert ask("card", TWEETS).out.startswith("---\npretty_name: tweets\n")
