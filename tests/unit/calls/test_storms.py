"""Whatever a service does, every row is answered once, in order, and no fault costs more than the call that it broke.

All of it through the whole engine, the provider `openai`, real HTTP and a cache on the disk.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import pytest

from dreamsmk.calls import CachedModel, SqliteCallCache
from dreamsmk.errors import ServiceUnavailable
from dreamsmk.requests import ModelIdentity
from dreamsmk.settings import ModelSpec
from tests.unit.calls.raw_service import RawService, text_to
from tests.wire import WireServer

KEY = "sk-storms-0123456789abcdefghijklmnop"
ROWS = 300
MARK = "(marked)"
# One row in twenty.
PROMPTS = [f"prompt {i} {MARK if i % 20 == 7 else ''}".strip() for i in range(ROWS)]
MARKED = sum(MARK in prompt for prompt in PROMPTS)

STORMS: dict[str, list[dict]] = {
    "429s that say when to come back": [{"status": 429, "times": 100, "retry_after_ms": "10"}],
    "429s that say it in seconds": [{"status": 429, "times": 30, "retry_after": "1"}],
    "429s that say nothing": [{"status": 429, "times": 30}],
    "500s for one row in twenty": [{"status": 500, "contains": MARK, "times": MARKED}],
    "503s that say when to come back": [{"status": 503, "times": 200, "retry_after_ms": "10"}],
    "dropped connections": [{"kind": "reset", "contains": MARK, "times": MARKED}],
    "invalid JSON": [{"kind": "garbage", "contains": MARK, "times": MARKED}],
    "a page instead of JSON": [{"kind": "html", "contains": MARK, "times": MARKED}],
    "the usual reply as a page": [{"kind": "mistyped", "contains": MARK, "times": MARKED}],
    "half a reply": [{"kind": "half", "contains": MARK, "times": MARKED}],
    "JSON without a reply": [{"kind": "empty", "contains": MARK, "times": MARKED}],
    "a server that hangs": [{"kind": "slow", "seconds": 30.0, "contains": MARK, "times": MARKED}],
    "all of them at once": [
        {"kind": "reset", "contains": "7", "times": 8},
        {"kind": "garbage", "contains": "3", "times": 8},
        {"kind": "html", "contains": "5", "times": 8},
        {"kind": "slow", "seconds": 30.0, "contains": "9", "times": 8},
        {"status": 500, "contains": "1", "times": 8},
        {"status": 429, "retry_after_ms": "5", "times": 60},
    ],
}


@pytest.fixture(autouse=True)
def api_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def model_at(url: str, cache: SqliteCallCache, **values) -> CachedModel:
    values = {"max_concurrency": 32, "timeout_seconds": 5.0} | values
    spec = ModelSpec(provider="openai", model="gpt-test", base_url=url, **values)
    return CachedModel("model", spec, ModelIdentity("openai", "gpt-test", base_url=url), cache)


def answers(model: CachedModel, prompts: list[str]) -> list[str]:
    """Returns the texts of the replies and lets go of the provider."""
    try:
        return [reply.text for reply in model.answer(model.requests(prompts))]
    finally:
        model.close()


def assert_all_is_kept(url: str, path: Path, texts: list[str], prompts: list[str]) -> None:
    """A later run finds every reply, in its row, and asks nothing."""
    with SqliteCallCache(path) as cache:
        assert sum(one.calls for one in cache.stats()) == len(prompts)
        model = model_at(url, cache)
        assert answers(model, prompts) == texts
        assert (model.tally.hits, model.tally.sent) == (len(prompts), 0)


def last_words(texts: list[str]) -> list[str]:
    """Returns the prompts that the wire server repeats in its replies."""
    return [text.partition(" to: ")[2] for text in texts]


@pytest.mark.parametrize("storm", STORMS)
def test_every_row_is_answered_once_through(tmp_path, storm):
    faults = [dict(fault) for fault in STORMS[storm]]
    is_hanging = any(fault.get("kind") == "slow" for fault in faults)
    with WireServer() as server:
        for fault in faults:
            server.fail(fault.pop("kind", "status"), **fault)
        with SqliteCallCache(tmp_path / "calls.db") as cache:
            model = model_at(server.openai_url, cache, timeout_seconds=1.0 if is_hanging else 5.0)
            texts = answers(model, PROMPTS)
        fired = sum(fault["times"] for fault in faults) - sum(left.times or 0 for left in server.faults)
        assert last_words(texts) == PROMPTS
        assert [left.times for left in server.faults] == [0] * len(faults), "a fault met nobody"
        assert server.count <= ROWS + fired
        assert model.tally.sent == ROWS
        assert model.tally.retries <= fired
        assert_all_is_kept(server.openai_url, tmp_path / "calls.db", texts, PROMPTS)


@pytest.mark.parametrize("half", ["half", "half chunked"])
def test_half_a_reply_is_none(tmp_path, half):
    with RawService(lambda prompt, attempt: half if MARK in prompt and attempt == 1 else "whole") as service:
        with SqliteCallCache(tmp_path / "calls.db") as cache:
            texts = answers(model_at(service.url, cache), PROMPTS)
        assert texts == [text_to(prompt) for prompt in PROMPTS]
        times = Counter(asked.prompt for asked in service.asked)
        assert times == {prompt: 2 if MARK in prompt else 1 for prompt in PROMPTS}
        assert_all_is_kept(service.url, tmp_path / "calls.db", texts, PROMPTS)


def test_a_connection_that_hangs_in_the_middle_is_given_up(tmp_path):
    with RawService(lambda prompt, attempt: "hang" if MARK in prompt and attempt == 1 else "whole") as service:
        started = time.monotonic()
        with SqliteCallCache(tmp_path / "calls.db") as cache:
            texts = answers(model_at(service.url, cache, timeout_seconds=0.5), PROMPTS)
        assert texts == [text_to(prompt) for prompt in PROMPTS]
        assert time.monotonic() - started < 15
        assert len(service.asked) == ROWS + MARKED


def test_a_server_that_dies_for_some_seconds_costs_what_was_in_flight(tmp_path):
    """The port refuses connections and then serves again, as after a restart."""
    prompts = [f"prompt {i}" for i in range(200)]
    with WireServer() as server:
        server.latency_seconds = 0.05
        texts: list[str] = []

        def ask() -> None:
            with SqliteCallCache(tmp_path / "calls.db") as cache:
                texts.extend(answers(model_at(server.openai_url, cache, max_concurrency=16), prompts))

        run = threading.Thread(target=ask)
        run.start()
        deadline = time.monotonic() + 20
        while server.count < 60 and time.monotonic() < deadline:
            time.sleep(0.005)
    time.sleep(2.0)
    assert run.is_alive(), "the run did not wait for the server"
    with WireServer(port=server.port) as reborn:
        run.join(timeout=60)
        assert last_words(texts) == prompts
        assert server.count + reborn.count <= len(prompts) + 16
        assert_all_is_kept(reborn.openai_url, tmp_path / "calls.db", texts, prompts)


def test_a_storm_that_does_not_end_fails_its_rows_alone(tmp_path):
    """A row that fails for good is asked again by the next run, and nothing else is."""
    with WireServer() as server:
        server.fail("status", status=500, contains=MARK, retry_after_ms="1")
        with SqliteCallCache(tmp_path / "calls.db") as cache:
            model = model_at(server.openai_url, cache, max_retries=3)
            with pytest.raises(ServiceUnavailable, match=f"{MARKED} of {ROWS} rows"):
                answers(model, PROMPTS)
            assert server.count == ROWS - MARKED + 4 * MARKED
            server.clear()
            assert last_words(answers(model_at(server.openai_url, cache), PROMPTS)) == PROMPTS
        assert sorted(asked.body["messages"][-1]["content"] for asked in server.requests) == sorted(
            prompt for prompt in PROMPTS if MARK in prompt
        )


def test_identical_rows_meet_a_storm_together(tmp_path):
    prompts = [f"prompt {i % 25}" for i in range(ROWS)]
    with WireServer() as server:
        server.fail("status", status=429, times=100, retry_after_ms="5")
        with SqliteCallCache(tmp_path / "calls.db") as cache:
            model = model_at(server.openai_url, cache)
            assert last_words(answers(model, prompts)) == prompts
        assert server.count <= 25 + 100
        assert (model.tally.sent, model.tally.hits) == (25, ROWS - 25)


@pytest.mark.parametrize(
    "body",
    [
        lambda prompt: b"<html>%s Authorization: Bearer %s</html>" % (b"x" * int(prompt), KEY.encode()),
        lambda prompt: b'{"error": {"message": "%s bad key %s"}}' % (b"x" * int(prompt), KEY.encode()),
        lambda prompt: b'{"error": "%s bad key %s"}' % (b"x" * int(prompt), KEY.encode()),
    ],
    ids=["page", "error", "plain error"],
)
def test_no_part_of_a_key_is_told_wherever_the_words_of_a_service_are_cut(tmp_path, body):
    """The services answer with status 200, and repeat the key at every place of what is shown of it."""
    prompts = [str(length) for length in range(0, 420, 7)]
    with RawService(body=body) as service, SqliteCallCache(tmp_path / "calls.db") as cache:
        for prompt in prompts:
            with pytest.raises(ServiceUnavailable) as caught:
                answers(model_at(service.url, cache, max_retries=0), [prompt])
            told = "".join(traceback.format_exception(caught.value))
            assert not any(KEY[start : start + 8] in told for start in range(len(KEY) - 7)), told
