from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamsmk.errors import ProviderError, RequestRejected, SettingsError
from dreamsmk.providers.local.replicas import Replicas
from dreamsmk.providers.transformers import TransformersProvider
from dreamsmk.requests import Request
from dreamsmk.settings import ModelSpec
from tests.tiny.fixed import fixed_request
from tests.wire.asking import ask

ROOT = Path(__file__).parents[4]
# A process that starts workers, tells their ids, and dies without a word.
ORPHAN = """
import os, signal, sys
from dreamsmk.providers.local.replicas import Replicas
from dreamsmk.settings import ModelSpec
replicas = Replicas(ModelSpec(provider="transformers", model=sys.argv[1], devices=("cpu", "cpu"), batch_size=2))
replicas._start()
print(*replicas.processes, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def two(spec: ModelSpec) -> ModelSpec:
    return dataclasses.replace(spec, device=None, devices=("cpu", "cpu"))


@pytest.fixture(scope="module")
def provider(two: ModelSpec) -> Iterator[TransformersProvider]:
    opened = TransformersProvider(two)
    yield opened
    opened.close()


def requests_for(spec: ModelSpec, count: int = 24) -> list[Request]:
    return [
        fixed_request(spec, "the of " * (n % 7 + 1), max_tokens=4 + n % 9, temperature=n % 2, sample=n)
        for n in range(count)
    ]


def ended(process: int, seconds: float = 20) -> bool:
    """Whether a process is gone, or waits only to be reaped."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status = Path(f"/proc/{process}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_replies_are_those_of_one_copy(provider: TransformersProvider, spec: ModelSpec) -> None:
    requests = requests_for(spec)
    alone = ask(TransformersProvider(spec), *requests)
    together = ask(provider, *requests)
    assert [(reply.text, reply.usage, reply.finish_reason) for reply in together] == [
        (reply.text, reply.usage, reply.finish_reason) for reply in alone
    ]


def test_a_request_that_is_rejected_holds_up_no_other(provider: TransformersProvider, spec: ModelSpec) -> None:
    requests = [fixed_request(spec, "word " * 900), *requests_for(spec, 5)]
    answered = []
    with pytest.raises(RequestRejected, match="the model's context is 512 tokens"):
        answered.extend(index for index, _ in provider.generate(requests))
    assert sorted(answered) == [1, 2, 3, 4, 5]


def test_a_call_that_was_let_go_of_ends_its_workers_and_spoils_no_later_one(
    provider: TransformersProvider, spec: ModelSpec
) -> None:
    requests = requests_for(spec)
    stream = provider.generate(requests)
    next(stream)
    workers = provider._model.processes
    stream.close()
    assert all(ended(process) for process in workers)
    assert len(ask(provider, *requests[:3])) == 3


def test_a_worker_that_dies_is_an_error_and_no_endless_wait(two: ModelSpec) -> None:
    provider = TransformersProvider(two)
    stream = provider.generate(requests_for(two, 60))
    next(stream)
    first, second = provider._model.processes
    threading.Timer(0.0, os.kill, (first, signal.SIGKILL)).start()
    with pytest.raises(ProviderError, match="on 'cpu' ended by signal SIGKILL") as caught:
        for _ in stream:
            pass
    assert not isinstance(caught.value, RequestRejected)
    assert ended(second)


def test_workers_end_when_their_parent_is_killed(tiny: Path) -> None:
    # the workers hold the standard error of their parent open: it must be no pipe that is read to its end
    command = [sys.executable, "-c", ORPHAN, str(tiny)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    assert all(ended(process) for process in workers)


def test_a_model_that_cannot_be_loaded_is_told_by_the_worker(two: ModelSpec) -> None:
    provider = TransformersProvider(dataclasses.replace(two, model="/nowhere", devices=("cpu",)))
    with pytest.raises(RequestRejected, match="cannot be loaded"):
        ask(provider, fixed_request(two))
    assert provider._model.processes == []


def test_no_requests_start_no_workers(two: ModelSpec) -> None:
    replicas = Replicas(two)
    assert list(replicas.answer([])) == []
    assert replicas.processes == []


@pytest.mark.parametrize("values", [{"device": "cpu", "devices": ("cpu",)}, {"devices": ("auto",)}])
def test_devices_that_contradict_each_other_are_refused(spec: ModelSpec, values: dict) -> None:
    with pytest.raises(SettingsError, match="device"):
        TransformersProvider.check(dataclasses.replace(spec, **{"device": None, **values}))
