"""Rates hold over all processes that share a home: time is scaled down, a minute takes one second."""

import subprocess
import sys
import time

import pytest

from dreamsmk.calls import answer, outcomes
from dreamsmk.calls.bounds.estimates import FIRST_OUTPUT_TOKENS, Estimates, input_tokens
from dreamsmk.calls.bounds.limits import Limits
from dreamsmk.calls.bounds.limits_file import LimitsFile
from dreamsmk.calls.bounds.pace import OwnBook, Pace, SharedBook
from dreamsmk.calls.carriers import Terms
from dreamsmk.errors import CacheError, ServiceUnavailable
from dreamsmk.requests import Sampling
from tests.unit.calls.providers import Service, request, requests, response, spec
from tests.wire import WireServer

PERIOD_SECONDS = 1.0


def most_in_a_period(moments, period_seconds=PERIOD_SECONDS):
    moments = sorted(moments)
    return max(sum(start <= other < start + period_seconds for other in moments) for start in moments)


class Clocked(Service):
    def __init__(self, model_spec):
        super().__init__(model_spec)
        self.sent: list[float] = []

    async def complete(self, asked):
        self.sent.append(time.time())
        return await super().complete(asked)


def test_requests_are_spread_over_the_period(cache):
    service = Clocked(spec(requests_per_minute=60, max_concurrency=32))
    limits = Limits(service.spec, period_seconds=PERIOD_SECONDS)
    list(outcomes(service, cache, requests(120), terms=Terms(limits)))
    assert most_in_a_period(service.sent) <= 60 + 2
    assert service.sent[-1] - service.sent[0] < 2 * PERIOD_SECONDS + 1.0


def test_tokens_hold_too_and_what_replies_really_took_is_learnt(cache):
    # Each call takes 5 tokens, and says so only afterwards; 200 are allowed in a period.
    service = Clocked(spec(tokens_per_minute=200, max_concurrency=4))
    limits = Limits(service.spec, period_seconds=PERIOD_SECONDS)
    asked = [request(f"prompt {i}", sampling=Sampling(max_tokens=20)) for i in range(100)]
    list(outcomes(service, cache, asked, terms=Terms(limits)))
    assert most_in_a_period(service.sent) <= 200 / 5 * 1.2
    assert service.sent[-1] - service.sent[0] < 100 * 5 / 200 * PERIOD_SECONDS * 1.6 + 1.0


def test_repeats_count_as_requests(cache):
    service = Clocked(spec(requests_per_minute=60))
    down = ServiceUnavailable("down", status=500, retry_after_seconds=0.0)
    service.fails = lambda prompt, attempt: down if attempt == 1 else None
    limits = Limits(service.spec, period_seconds=PERIOD_SECONDS)
    list(outcomes(service, cache, requests(40), terms=Terms(limits)))
    assert len(service.sent) == 80
    assert most_in_a_period(service.sent) <= 60 + 2


def test_a_pause_saves_nothing_up():
    pace = Pace("x", 100, OwnBook(), period_seconds=1.0)
    pace.take(1, 1)
    time.sleep(0.2)
    starts = [pace.take(1, 1) for _ in range(20)]
    assert starts[-1] - starts[0] == pytest.approx(0.19, abs=0.03)


def test_what_a_use_took_more_the_next_ones_wait_for():
    pace = Pace("x", 10, OwnBook(), period_seconds=1.0)
    first = pace.take(1, 1)
    pace.correct(1, 4)
    pace.take(1, 1)
    assert pace.take(1, 1) - first == pytest.approx(0.5, abs=0.01)
    pace.correct(10, 0)
    pace.take(1, 1)
    last = pace.take(1, 1)
    assert pace.take(1, 1) == pytest.approx(last, abs=0.01)


def test_two_users_of_one_file_hold_one_rate(tmp_path):
    one, other = (Pace("x", 100, SharedBook(LimitsFile(tmp_path / "limits.db")), period_seconds=10.0) for _ in range(2))
    starts = sorted(pace.take(1, 3) for _ in range(100) for pace in (one, other))
    assert most_in_a_period(starts, 1.0) <= 10 + 2
    assert most_in_a_period(starts, 5.0) <= 50 + 2
    assert starts[-1] - starts[0] == pytest.approx(20.0, abs=1.0)


def test_a_clock_that_was_set_back_holds_nobody_up(tmp_path):
    file = LimitsFile(tmp_path / "limits.db")
    ahead = time.time() + 5000
    file.changing(lambda connection: connection.execute("INSERT INTO paces VALUES ('x', ?, ?)", (ahead + 1, ahead)))
    assert SharedBook(file).take("x", 1.0) - time.time() < 2
    file.close()


RUN = """
import sys
from pathlib import Path
from dreamsmk.calls import SqliteCallCache, outcomes
from dreamsmk.calls.carriers import Terms
from dreamsmk.calls.bounds.limits import Limits
from dreamsmk.calls.bounds.limits_file import LimitsFile
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.requests import Message, ModelIdentity, Request
from dreamsmk.settings import ModelSpec

home, url, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
spec = ModelSpec(provider="openai", model="m", base_url=url, requests_per_minute=60, max_concurrency=16)
limits = Limits(spec, LimitsFile(home / "limits.db"), period_seconds=1.0)
asked = [Request(ModelIdentity("openai", "m"), (Message("user", f"{name} {i}"),)) for i in range(60)]
with SqliteCallCache(home / "calls.db") as cache:
    assert len(list(outcomes(OpenAIProvider(spec), cache, asked, terms=Terms(limits)))) == 60
"""


def test_two_processes_hold_one_rate_together(tmp_path):
    arrived = []
    with WireServer() as server:
        runs = [subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path), server.openai_url, name]) for name in "ab"]
        deadline = time.monotonic() + 60
        while any(run.poll() is None for run in runs) and time.monotonic() < deadline:
            arrived += [time.time()] * (server.count - len(arrived))
            time.sleep(0.002)
        assert [run.wait(timeout=5) for run in runs] == [0, 0]
        arrived += [time.time()] * (server.count - len(arrived))
    assert len(arrived) == 120
    assert most_in_a_period(arrived) <= 60 + 6
    assert arrived[-1] - arrived[0] > 1.8 * PERIOD_SECONDS


def test_a_file_of_a_newer_version_says_so(tmp_path):
    file = LimitsFile(tmp_path / "limits.db")
    file.changing(lambda connection: connection.execute("PRAGMA user_version=99"))
    file.close()
    with pytest.raises(CacheError, match="newer"):
        file.changing(lambda connection: None)


def test_without_limits_there_is_nothing_to_hold():
    assert Limits.of(spec()) is None
    assert Limits.of(spec(requests_per_minute=5)) is not None


def test_tokens_are_guessed_from_characters_limits_and_replies():
    estimates, asked = Estimates(), request("x" * 400)
    assert input_tokens(asked) == 104
    assert estimates.most([asked]) == (104, FIRST_OUTPUT_TOKENS)
    assert estimates.mean([request("x" * 400, sampling=Sampling(max_tokens=50))]) == 154
    estimates.note(response("x"))
    assert estimates.most([asked, asked]) == (208, 4)
    assert estimates.most([request("x" * 400, sampling=Sampling(max_tokens=50))]) == (104, 50)
    assert estimates.mean([request("x" * 400, sampling=Sampling(max_tokens=50))]) == 106


def test_a_run_that_ends_early_does_not_wait_for_its_rate(cache):
    service = Clocked(spec(requests_per_minute=1))
    found = outcomes(service, cache, requests(100), terms=Terms(Limits(service.spec)))
    next(found)
    started = time.monotonic()
    found.close()
    assert time.monotonic() - started < 3
    assert len(service.sent) == 1


def test_a_run_without_limits_takes_no_time_for_them(cache):
    assert len(list(answer(Service(), cache, requests(10)))) == 10
