"""A run in batch mode that is killed at any point submits no call twice and loses none: real processes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.unit.calls.batches.desk import KINDS, Desk, prompts, text_of
from tests.wire import WireServer
from tests.wire.asking import KEY
from tests.wire.batches import BatchApis

ROWS = 60
RUN = """
import sys
from pathlib import Path
from tests.unit.calls.batches.desk import Desk, prompts

kind, url, folder, rows, size = sys.argv[1:]
Desk(kind, url, Path(folder), {"calls": int(size), "arrival_seconds": 1.0}).run(prompts(int(rows)))
"""

# Each stage of a batch, and how long the server takes for it: half before it does what it does, half after.
STAGES = {
    "openai": ("upload", "create", "look", "results"),
    "anthropic": ("create", "look", "results"),
}
STAGE_SECONDS = 0.2


@pytest.fixture
def apis():
    return BatchApis()


@pytest.fixture(params=KINDS)
def desk(request, apis, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with WireServer(extra_routes=apis.routes) as server:
        yield Desk(request.param, server.url, tmp_path)


def start(desk: Desk, size: int = ROWS) -> subprocess.Popen[bytes]:
    arguments = [desk.kind, desk.url, str(desk.folder), str(ROWS), str(size)]
    return subprocess.Popen([sys.executable, "-c", RUN, *arguments], stderr=subprocess.PIPE)


def wait_for(apis: BatchApis, stage: str, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while apis.seen[stage] < count and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def check_last_run(desk: Desk, apis: BatchApis, size: int = ROWS) -> None:
    desk.limits = {"calls": size, "arrival_seconds": 1.0}
    replies = desk.run(prompts(ROWS))
    assert all(text_of(prompt, reply) for prompt, reply in zip(prompts(ROWS), replies, strict=True))
    assert len(apis.billed) == ROWS
    assert set(apis.billed.values()) == {1}
    assert desk.cached() == set(prompts(ROWS))


@pytest.mark.parametrize("share", [0.25, 0.75], ids=["before", "after"])
def test_a_run_that_is_killed_at_every_stage_pays_each_call_once(desk, apis, share):
    apis.seconds = 0.5
    for stage in STAGES[desk.kind]:
        apis.slow = {stage: STAGE_SECONDS}
        seen = apis.seen[stage]
        process = start(desk)
        wait_for(apis, stage, seen + 1, process)
        time.sleep(STAGE_SECONDS * share)
        kill(process)
        assert process.returncode == -signal.SIGKILL, stage
    apis.slow = {}
    check_last_run(desk, apis)


def test_a_run_that_is_killed_while_it_stores_results_stores_the_rest(desk, apis):
    apis.seconds = 0.2
    process = start(desk)
    wait_for(apis, "results", 1, process)
    time.sleep(random.Random(desk.kind).uniform(0, 0.03))
    kill(process)
    check_last_run(desk, apis)
    assert apis.seen["create"] == 1


def test_a_run_takes_over_from_another_one_that_is_killed(desk, apis):
    apis.seconds = 1.5
    process = start(desk)
    wait_for(apis, "look", 1, process)
    threading.Timer(0.5, lambda: kill(process)).start()
    check_last_run(desk, apis)
    assert process.returncode == -signal.SIGKILL
    assert len(apis.accepted) == 1


def test_a_run_of_several_batches_that_is_killed_at_random_pays_each_call_once(desk, apis):
    dice = random.Random(f"{desk.kind} 1")
    apis.seconds = 0.3
    apis.slow = dict.fromkeys(("upload", "create", "look", "results", "list"), 0.03)
    for _ in range(5):
        process = start(desk, size=17)
        seen = sum(apis.seen.values())
        while sum(apis.seen.values()) == seen and process.poll() is None:
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 1.2))
        kill(process)
    check_last_run(desk, apis, size=17)
