"""A fine-tuning that is killed at any point begins one job at the service: real processes and real signals."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tasks.training.openai_desk import PAIRS, TuningDesk, pairs
from tests.wire import WireServer
from tests.wire.asking import KEY
from tests.wire.fine_tuning import FineTuningApi

# Each stage of a training, and how long the server takes for it: half before it does what it does, half after.
STAGES = ("files", "upload", "create", "look", "events", "results", "delete")
STAGE_SECONDS = 0.3


@pytest.fixture
def api() -> FineTuningApi:
    return FineTuningApi()


@pytest.fixture
def desk(api: FineTuningApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningDesk]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with WireServer(extra_routes=api.routes) as server:
        yield TuningDesk(tmp_path / "job", server.openai_url)


def start(desk: TuningDesk) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.unit.tasks.training.openai_desk", str(desk.folder), desk.url]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def wait_for(api: FineTuningApi, stage: str, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while api.seen[stage] < count:
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def end(process: subprocess.Popen[bytes], signum: int = signal.SIGKILL) -> str:
    process.send_signal(signum)
    return process.communicate(timeout=60)[1].decode()


def check_last_run(desk: TuningDesk, api: FineTuningApi) -> None:
    desk.run(pairs(), pairs(3, 50), **PAIRS)
    (job,) = api.jobs
    assert desk.left()["model"] == job.model
    assert desk.history().height == 4
    assert api.cancelled == 0
    assert len(api.uploaded) == 2
    assert sorted(api.deleted) == sorted(file.id for file in api.uploaded)


@pytest.mark.parametrize("share", [0.25, 0.75], ids=["before", "after"])
def test_a_run_that_is_killed_at_every_stage_begins_one_job(desk: TuningDesk, api: FineTuningApi, share: float) -> None:
    api.seconds = 0.2
    for stage in STAGES:
        api.slow = {stage: STAGE_SECONDS}
        process = start(desk)
        wait_for(api, stage, api.seen[stage] + 1, process)
        time.sleep(STAGE_SECONDS * share)
        end(process)
        assert process.returncode == -signal.SIGKILL, stage
    api.slow = {}
    check_last_run(desk, api)


def test_a_run_that_is_killed_between_asking_and_the_answer_waits_until_the_job_is_listed(
    desk: TuningDesk, api: FineTuningApi
) -> None:
    api.slow, api.lag_seconds, desk.arrival_seconds = {"create": 0.6}, 2.0, 10.0
    process = start(desk)
    wait_for(api, "create", 1, process)
    time.sleep(0.4)
    end(process)
    known = json.loads(desk.ledger.read_bytes())
    assert known["asked_at"] is not None
    assert known["job"] is None
    assert len(api.jobs) == 1
    api.slow = {}
    check_last_run(desk, api)
    assert api.seen["list"] > 3


def test_a_request_that_arrives_after_its_run_was_killed_is_waited_for(desk: TuningDesk, api: FineTuningApi) -> None:
    api.slow, desk.arrival_seconds = {"create": 3.0}, 10.0
    process = start(desk)
    wait_for(api, "create", 1, process)
    end(process)
    assert api.jobs == []
    check_last_run(desk, api)
    assert api.seen["create"] == 1


def test_a_request_that_never_arrived_is_made_again(desk: TuningDesk, api: FineTuningApi) -> None:
    api.broken = {"create"}
    process = start(desk)
    wait_for(api, "list", 2, process)
    end(process)
    assert json.loads(desk.ledger.read_bytes())["asked_at"] is not None
    api.broken = set()
    check_last_run(desk, api)


def test_a_training_that_fails_after_its_run_was_killed_is_told_by_the_next_one(
    desk: TuningDesk, api: FineTuningApi
) -> None:
    api.seconds, api.problem = 0.8, {"code": "server_error", "message": "It broke down.", "param": None}
    process = start(desk)
    wait_for(api, "look", 1, process)
    end(process)
    process = start(desk)
    _, words = process.communicate(timeout=60)
    assert "It broke down. (server_error)" in words.decode()
    assert len(api.jobs) == 1
    api.problem = None
    desk.run(pairs(), pairs(3, 50), **PAIRS)
    assert len(api.jobs) == 2


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_run_that_is_ended_cancels_nothing(desk: TuningDesk, api: FineTuningApi, signum: int) -> None:
    api.seconds = 3.0
    process = start(desk)
    wait_for(api, "events", 2, process)
    end(process, signum)
    assert process.returncode != 0
    assert api.cancelled == 0
    check_last_run(desk, api)


def test_a_run_that_is_killed_at_random_moments_begins_one_job(desk: TuningDesk, api: FineTuningApi) -> None:
    dice = random.Random(3)
    api.seconds = 0.5
    api.slow = dict.fromkeys(STAGES, 0.06)
    for _ in range(6):
        process = start(desk)
        seen = sum(api.seen.values())
        while sum(api.seen.values()) == seen and process.poll() is None:
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 1.0))
        end(process)
    check_last_run(desk, api)
