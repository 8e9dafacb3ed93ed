"""A call that another process is at is waited for, not made: real processes, one cache, a counting server."""

import subprocess
import sys
import threading
import time

import pytest

from dreamsmk.calls import SqliteCallCache, Tally, answer
from dreamsmk.errors import RequestRejected
from tests.unit.calls.providers import Local, Service, request, requests, response, spec
from tests.wire import WireServer

# Waits for a file, so that all of them start at one moment; prints what it sent.
RUN = """
import sys, time
from pathlib import Path
from dreamsmk.calls import CachedModel, SqliteCallCache
from dreamsmk.requests import ModelIdentity
from dreamsmk.settings import ModelSpec

path, url, start, order = sys.argv[1:]
spec = ModelSpec(provider="openai", model="m", base_url=url, max_concurrency=16)
with SqliteCallCache(path) as cache:
    model = CachedModel("teacher", spec, ModelIdentity("openai", "m", base_url=url), cache)
    prompts = [f"prompt {i}" for i in range(200)]
    if order == "back":
        prompts.reverse()
    Path(start + order).touch()
    while not Path(start).exists():
        time.sleep(0.001)
    replies = list(model.answer(model.requests(prompts)))
    assert [p in r.text for p, r in zip(prompts, replies)] == [True] * 200
    print(model.tally.sent, model.tally.hits)
    model.close()
"""


@pytest.mark.parametrize("orders", [("forth", "forth2"), ("forth", "back")])
def test_calls_that_two_processes_want_at_one_moment_are_made_once(tmp_path, orders):
    start = tmp_path / "start"
    with WireServer() as server:
        server.latency_seconds = 0.05
        command = [sys.executable, "-c", RUN, str(tmp_path / "calls.db"), server.openai_url, str(start)]
        runs = [subprocess.Popen([*command, order], stdout=subprocess.PIPE, text=True) for order in orders]
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("start?*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        start.touch()
        told = [[int(number) for number in run.communicate(timeout=60)[0].split()] for run in runs]
        assert [run.returncode for run in runs] == [0, 0]
        assert server.count == 200
    assert sum(sent for sent, _ in told) == 200
    assert sum(hits for _, hits in told) == 200


@pytest.fixture(params=[Service, Local])
def provider(request):
    return request.param()


def asked(provider):
    return provider.attempts if isinstance(provider, Service) else provider.generated


def test_a_reply_that_another_one_makes_is_a_hit(tmp_path, cache, provider):
    wanted = requests(10)
    with SqliteCallCache(tmp_path / "calls.db") as other:
        assert len(other.claim([wanted[4].key()])) == 1
        timer = threading.Timer(0.3, lambda: other.put(wanted[4].key(), wanted[4], response("theirs")))
        timer.start()
        tally = Tally()
        found = [reply.text for reply in answer(provider, cache, wanted, tally=tally)]
        timer.join()
    assert found[4] == "theirs"
    assert sorted(asked(provider)) == sorted(f"prompt {i}" for i in range(10) if i != 4)
    assert (tally.sent, tally.hits) == (9, 1)


def test_a_wait_holds_nobody_up(tmp_path, cache):
    wanted = requests(200)
    with SqliteCallCache(tmp_path / "calls.db") as other:
        other.claim([wanted[0].key()])
        service = Service()
        timer = threading.Timer(0.5, lambda: other.put(wanted[0].key(), wanted[0], response("theirs")))
        timer.start()
        found = answer(service, cache, wanted)
        assert next(found).text == "theirs"
        assert len(service.finished) == 199
        timer.join()


def test_a_claim_that_is_given_up_is_taken_over(tmp_path, cache, provider):
    wanted = requests(10)
    with SqliteCallCache(tmp_path / "calls.db") as other:
        keys = [one.key() for one in wanted]
        other.claim(keys)
        timer = threading.Timer(0.2, lambda: other.release(keys))
        timer.start()
        assert len(list(answer(provider, cache, wanted))) == 10
        timer.join()
    assert len(asked(provider)) == 10


def test_no_claim_outlives_a_run_whatever_ends_it(tmp_path, cache):
    wanted = requests(100)
    service = Service(fails=lambda prompt, attempt: RequestRejected("no") if prompt == "prompt 3" else None)
    with pytest.raises(RequestRejected):
        list(answer(service, cache, wanted))
    dropped = [request(f"dropped {i}") for i in range(100)]
    started = answer(Service(spec(max_concurrency=2), seconds=lambda prompt: 0.05), cache, dropped)
    next(started)
    started.close()
    with SqliteCallCache(tmp_path / "calls.db") as other:
        missing = [one.key() for one in [*wanted, *dropped]]
        missing = [key for key in missing if key not in other.get_many(missing)]
        assert len(missing) > 50
        assert other.claim(missing) == set(missing)


def test_calls_that_are_claimed_before_a_look_that_finds_them_are_hits_and_free_again(tmp_path, cache):
    wanted = requests(300)
    stored = wanted[100:150]
    with SqliteCallCache(tmp_path / "calls.db") as other:
        for one in stored:
            other.put(one.key(), one, response("theirs"))
        other.flush()
        tally = Tally()
        # the first look finds nothing, so that the second group is claimed before it is looked up
        found = [reply.text for reply in answer(Service(), cache, wanted, tally=tally)]
        assert found[100:150] == ["theirs"] * 50
        assert (tally.sent, tally.hits) == (250, 50)
        keys = [one.key() for one in stored]
        assert other.claim(keys, anew=True) == set(keys)


def test_a_call_that_was_stored_just_before_it_was_claimed_is_not_made(tmp_path, cache):
    wanted = requests(300)
    late = wanted[200]

    def source():
        for one in wanted:
            if one is late:
                with SqliteCallCache(tmp_path / "calls.db") as other:
                    other.put(late.key(), late, response("theirs"))
            yield one

    service = Service()
    found = [reply.text for reply in answer(service, cache, source())]
    assert found[200] == "theirs"
    assert service.attempts["prompt 200"] == 0
