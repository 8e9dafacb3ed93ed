"""What the tests of prompting tasks share: a service whose replies a test sets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer


@pytest.fixture
def wire(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    """A server that speaks the wire formats; the desk's teacher is asked there."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with WireServer() as server:
        desk.specs["teacher"] = ModelSpec(provider="openai", model="gpt", base_url=server.openai_url, max_retries=0)
        yield server
