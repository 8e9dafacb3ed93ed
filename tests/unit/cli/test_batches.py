"""`dreamsmk batches`: what was submitted, and what is to be done with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamsmk.calls import SqliteCallCache
from dreamsmk.store import Home
from tests.unit.calls.batches.desk import Desk, prompts
from tests.unit.cli.conftest import Ask
from tests.wire import WireServer
from tests.wire.asking import KEY
from tests.wire.batches import BatchApis


class HomeDesk(Desk):
    @property
    def ledger_path(self) -> Path:
        return Home(self.folder).batches


@pytest.fixture
def apis():
    return BatchApis(seconds=60)


@pytest.fixture
def desk(apis, tmp_path, monkeypatch):
    """A home that knows of a batch that is running."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("DREAMSMK_HOME", str(tmp_path))
    with WireServer(extra_routes=apis.routes) as server:
        desk = HomeDesk("openai", server.url, tmp_path)
        with SqliteCallCache(desk.cache_path) as cache:
            carrier = desk.carrier(cache)
            carrier.submit([desk.call(prompt) for prompt in prompts(4)])
            carrier.collect(wait_seconds=0.001)
        yield desk


def at_home(ask: Ask, desk: Desk, *words: str):
    return ask("batches", *words, "--home", str(desk.folder))


def test_each_batch_has_a_line(ask, desk, apis):
    said = at_home(ask, desk, "list")
    assert said.status == 0
    heading, line = said.out.splitlines()
    assert heading.split()[:4] == ["id", "provider", "model", "calls"]
    assert line.split()[1:6] == ["openai", "a-model", "4", "-", "running"]
    assert line.endswith(apis.accepted[0].id)
    (row,) = json.loads(at_home(ask, desk, "list", "--json").out)
    assert (row["calls"], row["state"], row["spec"]["model"]) == (4, "running", "a-model")


def test_a_home_without_batches_says_so_beside_the_data(ask, tmp_path):
    said = ask("batches", "list", "--home", str(tmp_path))
    assert (said.status, said.out) == (0, "")
    assert "no run has submitted a batch" in said.err
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_a_cancelled_batch_keeps_what_it_has_answered(ask, desk, apis):
    (batch,) = desk.ledger().all()
    assert at_home(ask, desk, "cancel", batch.uuid[:6]).status == 0
    assert apis.accepted[0].is_cancelled
    apis.seconds = 0
    replies = desk.run(prompts(2))
    assert len(replies) == 2
    assert len(apis.accepted) == 1
    said = at_home(ask, desk, "cancel", batch.uuid)
    assert said.status == 2
    assert "the batch is ended" in said.err


def test_a_batch_that_is_forgotten_is_submitted_anew(ask, desk, apis):
    (batch,) = desk.ledger().all()
    assert at_home(ask, desk, "forget", batch.uuid).status == 0
    apis.seconds = 0
    desk.run(prompts(4))
    assert len(apis.accepted) == 2
    assert at_home(ask, desk, "forget", "ffff").status == 2
