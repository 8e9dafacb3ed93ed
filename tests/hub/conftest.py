"""What the tests of the Hub share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hub.server import HubServer
from tests.hub.worker import Worker

StartWorker = Callable[..., Worker]


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    """A Hub that is empty at first."""
    with HubServer() as server:
        yield server


@pytest.fixture
def start_worker(hub: HubServer, tmp_path: Path) -> Iterator[StartWorker]:
    """Returns a function that starts a worker with an empty cache, or that of `home`, and an environment."""
    started: list[Worker] = []

    def start(home: Path | None = None, **environment: str) -> Worker:
        started.append(Worker(hub.url, home or tmp_path / "hf", **environment))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


@pytest.fixture(scope="module")
def worker(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that all tests of a file share; each has its own repositories."""
    shared = Worker(hub.url, tmp_path_factory.mktemp("hf"))
    yield shared
    shared.close()


@pytest.fixture(autouse=True)
def _no_faults(hub: HubServer) -> None:
    hub.failing = 0
    hub.cuts.clear()
    hub.requests.clear()
