"""Rows on a terminal are aligned."""

from __future__ import annotations

import pytest

from dreamsmk.cli.table import print_table


def test_numbers_stand_to_the_right_and_texts_to_the_left(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"model": "gpt", "calls": 1234567, "cost": 0.5}, {"model": "a-longer-one", "calls": 3, "cost": 12.0}])
    assert capsys.readouterr().out.splitlines() == [
        "model             calls  cost",
        "gpt           1,234,567   0.5",
        "a-longer-one          3    12",
    ]


def test_what_is_not_known_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"model": "gpt", "url": None}])
    assert capsys.readouterr().out.splitlines() == ["model  url", "gpt    -"]
