"""What the contract suites of providers share: a service, a small model, and the cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.cases import KEY_VARIABLES, LOCAL, SERVICES, Case, local_case, service_case
from tests.tiny import make_tiny_model
from tests.wire import WireServer
from tests.wire.asking import KEY


@pytest.fixture(scope="module")
def running_server() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def server(running_server: WireServer, monkeypatch: pytest.MonkeyPatch) -> WireServer:
    for name in KEY_VARIABLES:
        monkeypatch.setenv(name, KEY)
    running_server.clear()
    return running_server


@pytest.fixture(params=sorted([*SERVICES, *LOCAL]))
def case(request: pytest.FixtureRequest, server: WireServer, tiny: Path) -> Case:
    if request.param in SERVICES:
        return service_case(request.param, server)
    return local_case(request.param, tiny)


@pytest.fixture(params=sorted(SERVICES))
def service(request: pytest.FixtureRequest, server: WireServer) -> Case:
    return service_case(request.param, server)
