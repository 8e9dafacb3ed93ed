"""The switch that lets jobs ask their models again."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from dreamsmk.smk import module_of
from dreamsmk.smk.again import ask_again_since, is_asking_again


@pytest.mark.parametrize("value", [None, "", "0"])
def test_it_is_off_unless_it_is_set(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("DREAMSMK_ASK_AGAIN", raising=False)
    if value is not None:
        monkeypatch.setenv("DREAMSMK_ASK_AGAIN", value)
    assert not is_asking_again()
    assert ask_again_since() is None
    assert module_of({}, "split")(None, input=None)["replies_since"] is None


def test_all_jobs_of_a_rule_get_the_moment_at_which_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMSMK_ASK_AGAIN", "1")
    before = datetime.now(UTC)
    module = module_of({"models": {}}, "split")
    after = datetime.now(UTC)
    moments = [module(None, input=None)["replies_since"] for _ in range(2)]
    assert moments[0] == moments[1]
    assert before <= datetime.fromisoformat(moments[0]) <= after


def test_the_next_run_has_a_moment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMSMK_ASK_AGAIN", "1")
    first = module_of({}, "split")(None, input=None)["replies_since"]
    time.sleep(0.001)
    second = module_of({}, "split")(None, input=None)["replies_since"]
    assert datetime.fromisoformat(first) < datetime.fromisoformat(second)
