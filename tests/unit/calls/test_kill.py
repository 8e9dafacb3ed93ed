"""A run that ends in the middle, whatever ends it, pays for no reply twice: real processes and real signals."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dreamsmk.calls import SqliteCallCache, answer
from dreamsmk.hashing import digest_bytes
from dreamsmk.requests import Response
from tests.unit.calls.providers import Service, request, spec
from tests.unit.calls.raw_service import RawService, text_to

# Logs `sent <prompt>` and `got <prompt> <time>` to a file, unbuffered, as the calls go.
RUN = """
import os, sys, time
from dreamsmk.calls import SqliteCallCache, answer
from tests.unit.calls.providers import Service, request, spec

path, log, rows, seconds, shape = sys.argv[1:]
log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Logged(Service):
    async def complete(self, asked):
        prompt = asked.messages[-1].content
        os.write(log, f"sent {prompt}\\n".encode())
        reply = await super().complete(asked)
        os.write(log, f"got {prompt} {time.time()}\\n".encode())
        return reply

cache = SqliteCallCache(path)
replies = answer(Logged(spec(), seconds=lambda p: float(seconds) * (1 + int(p) % 7 / 7)), cache,
                 (request(str(i)) for i in range(int(rows))))
if shape == "held":
    next(replies)
    time.sleep(60)
for reply in replies:
    pass
"""

# The whole engine over real HTTP; ends with 0 where every row has its reply.
REAL_RUN = """
import sys
from dreamsmk.calls import CachedModel, SqliteCallCache
from dreamsmk.requests import ModelIdentity
from dreamsmk.settings import ModelSpec

path, url, rows, in_flight = sys.argv[1:]
spec = ModelSpec(provider="openai", model="gpt-test", base_url=url, max_concurrency=int(in_flight))
with SqliteCallCache(path) as cache:
    model = CachedModel("model", spec, ModelIdentity("openai", "gpt-test", base_url=url), cache)
    texts = [reply.text for reply in model.answer(model.requests(f"prompt {i}" for i in range(int(rows))))]
    model.close()
assert [text.split(" x")[0] for text in texts] == [f"re: prompt {i}" for i in range(int(rows))]
"""


class Running:
    """The run above, in a process of its own."""

    def __init__(self, folder: Path, *, rows: int, seconds: float, shape: str = "read") -> None:
        self.log = folder / "log"
        self.path = folder / "calls.db"
        command = [sys.executable, "-c", RUN, self.path, self.log, str(rows), str(seconds), shape]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)

    def lines(self, word: str) -> list[list[str]]:
        text = self.log.read_text() if self.log.exists() else ""
        return [line.split() for line in text.splitlines(keepends=False) if line.startswith(word)]

    def wait_for(self, word: str, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.lines(word)) < count:
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.01)

    def end(self, signum: int) -> float:
        """Sends a signal and returns when that was; waits for the end."""
        self.process.send_signal(signum)
        moment = time.time()
        self.process.wait(timeout=30)
        self.process.stderr.close()
        return moment


def sent_by_next_run(path: Path, rows: int) -> set[str]:
    service = Service(spec())
    with SqliteCallCache(path) as cache:
        replies = list(answer(service, cache, (request(str(i)) for i in range(rows))))
    assert [reply.text for reply in replies] == [f"re: {i}" for i in range(rows)]
    return set(service.attempts)


def test_after_a_kill_only_what_had_not_arrived_is_sent(tmp_path):
    run = Running(tmp_path, rows=400, seconds=0.05)
    run.wait_for("got", 60)
    killed_at = run.end(signal.SIGKILL)
    assert run.process.returncode == -signal.SIGKILL
    got = {prompt: float(moment) for _, prompt, moment in run.lines("got")}
    assert 60 <= len(got) < 400
    sent = sent_by_next_run(run.path, 400)
    # Durable within 100 ms; twice that, for a machine that is busy with other things.
    durable = {prompt for prompt, moment in got.items() if moment < killed_at - 0.2}
    assert len(durable) > 20
    assert not durable & sent
    assert {str(i) for i in range(400)} - set(got) <= sent


def test_after_kills_at_twenty_random_moments_every_row_is_there_and_whole(tmp_path, monkeypatch):
    """What was in flight when a run was killed is asked again, and what had arrived less than 100 ms before."""
    rows, kills, in_flight, latency = 2000, 20, 16, 0.1
    chance, log, path = random.Random(0), tmp_path / "log", tmp_path / "calls.db"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-kill-0123456789")
    prompts = [f"prompt {i}" for i in range(rows)]
    lost = 0
    with RawService(latency_seconds=latency) as service:
        command = [sys.executable, "-c", REAL_RUN, str(path), service.url, str(rows), str(in_flight)]
        for kill in range(kills):
            before = len(service.asked)
            with log.open("ab") as file:
                process = subprocess.Popen(command, stderr=file)
            if kill % 4:
                wait_until(lambda before=before: len(service.asked) > before, process, log)
            # A quarter of them at any moment since the start of the process: no file, no schema, no connection yet.
            time.sleep(chance.uniform(0.0, 0.4 if kill % 4 else 1.2))
            process.kill()
            killed_at = time.time()
            process.wait(timeout=30)
            assert process.returncode == -signal.SIGKILL, log.read_text()
            this_run = service.asked[before:]
            assert len({asked.prompt for asked in this_run}) == len(this_run)
            # Twice 100 ms, for a machine that is busy with other things.
            lost += sum(asked.answered_at is None or asked.answered_at > killed_at - 0.2 for asked in this_run)
        assert subprocess.run(command, check=False, timeout=120).returncode == 0
        assert set(prompts) == {asked.prompt for asked in service.asked}
        assert len(service.asked) <= rows + lost
        # In flight, or answered in the 100 ms before: as many again, at this latency.
        assert len(service.asked) <= rows + kills * 2 * in_flight
        calls = len(service.asked)
        assert subprocess.run(command, check=False, timeout=120).returncode == 0
        assert len(service.asked) == calls, "a run with every reply stored asked for something"
    assert stored_texts(path) == {prompt: text_to(prompt) for prompt in prompts}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None, log.read_text()
        time.sleep(0.002)


def stored_texts(path: Path) -> dict[str, str]:
    """Returns the replies of a cache by their prompt, having looked at each of its rows as bare SQLite has it."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT key, request, response FROM calls").fetchall()
    texts = {}
    for key, body, response in rows:
        assert key == digest_bytes(body.encode(), "sha256")
        texts[json.loads(body)["messages"][-1]["content"]] = Response.from_json(json.loads(response)).text
    assert len(texts) == len(rows)
    return texts


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("shape", ["read", "held"])
def test_replies_in_flight_are_kept_when_a_run_is_ended(tmp_path, signum, shape):
    run = Running(tmp_path, rows=400, seconds=0.3, shape=shape)
    run.wait_for("got", 10)
    run.end(signum)
    assert run.process.returncode == {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 143}[signum]
    sent = {prompt for _, prompt in run.lines("sent")}
    got = {prompt for _, prompt, _ in run.lines("got")}
    assert sent == got, "a request in flight was given up"
    if shape == "read":
        assert len(sent) < 100
    assert sent_by_next_run(run.path, 400) == {str(i) for i in range(400)} - got


def test_a_handler_of_the_program_is_left_alone(tmp_path):
    code = """
import signal
from dreamsmk.calls.interrupts import exits_on_sigterm
mine = lambda signum, frame: None
before = signal.signal(signal.SIGTERM, mine)
with exits_on_sigterm():
    assert signal.getsignal(signal.SIGTERM) is mine
assert signal.getsignal(signal.SIGTERM) is mine
signal.signal(signal.SIGTERM, signal.SIG_DFL)
one, two = exits_on_sigterm(), exits_on_sigterm()
one.__enter__(), two.__enter__()
one.__exit__(None, None, None)
assert callable(signal.getsignal(signal.SIGTERM))
two.__exit__(None, None, None)
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_two_processes_answer_with_one_cache_at_once(tmp_path):
    runs = [Running(tmp_path, rows=300, seconds=0.01), Running(tmp_path, rows=300, seconds=0.01)]
    for run in runs:
        assert run.process.wait(timeout=60) == 0
        run.process.stderr.close()
    assert sent_by_next_run(runs[0].path, 300) == set()
