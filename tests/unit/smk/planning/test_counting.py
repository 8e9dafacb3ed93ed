"""How many calls planned jobs will make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamsmk.calls import CacheMode, SqliteCallCache
from dreamsmk.requests import Message, ModelIdentity, Request
from dreamsmk.smk.planning.counting import CallCounter
from tests.contract.call_cache import reply

MODEL = ModelIdentity("echo", "echo")


def asked(*texts: str) -> Iterator[Request]:
    return iter([Request(MODEL, (Message("user", text),)) for text in texts])


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A cache that has the reply to `a`."""
    path = tmp_path / "calls.db"
    with SqliteCallCache(path) as cache:
        (request,) = asked("a")
        cache.put(request.key(), request, reply("stored"))
    return path


@pytest.mark.parametrize(
    ("mode", "first"),
    [(None, 2), ("read", 2), ("write", 3), ("off", 3), ("offline", 2)],
)
def test_what_a_rule_does_with_the_cache_decides_what_it_asks_and_what_others_need_not(
    calls: Path, mode: CacheMode | None, first: int
) -> None:
    with CallCounter() as counter:
        counted = counter.count(asked("a", "b", "c", "b"), calls, mode)
        assert (counted.requests, counted.to_make) == (4, first)
        again = counter.count(asked("a", "b", "c", "d"), calls, mode if mode == "off" else None)
        assert again.to_make == {None: 1, "read": 3, "write": 1, "off": 4, "offline": 3}[mode]


def test_schema_and_tools_are_read_by_the_model_too() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    plain, long = (
        Request(MODEL, (Message("user", "text"),), schema=given, tools=({"name": "add"},) if given else ())
        for given in (None, schema)
    )
    with CallCounter() as counter:
        assert counter.count(iter([plain]), None).characters == 4
        assert counter.count(iter([long]), None).characters > 4 + len("typeobjectpropertiestitletypestringnameadd")
