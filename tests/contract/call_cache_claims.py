"""What every call cache must hold to with claims, and with many processes at once."""

import signal
import subprocess
import sys

import pytest

from dreamsmk.calls import FreshReplies, open_cache
from tests.contract.call_cache import ask, reply

CLAIM = """
import sys
from dreamsmk.calls import open_cache
from tests.contract.call_cache import ask
cache = open_cache(sys.argv[1])
print(len(cache.claim([ask(f"call {i}").key() for i in range(500)])), flush=True)
sys.stdin.read()
"""
# Keys in another order in each process; what is not granted is waited for.
MAKE_ONCE = """
import random, sys, time
from dreamsmk.calls import open_cache
from tests.contract.call_cache import ask, reply
where, name = sys.argv[1:]
asked = [ask(f"call {i}") for i in range(600)]
random.Random(name).shuffle(asked)
made = 0
with open_cache(where) as cache:
    wanted = {request.key(): request for request in asked}
    while wanted:
        for key in cache.get_many(list(wanted)):
            del wanted[key]
        for key in cache.claim(list(wanted)[:50]):
            cache.put(key, wanted.pop(key), reply(name), rule=name)
            made += 1
        time.sleep(0.001)
print(made)
"""
PUT_AND_GET = """
import sys
from dreamsmk.calls import open_cache
from tests.contract.call_cache import ask, reply
where, name = sys.argv[1:]
shift = int(name) * 150
with open_cache(where) as cache:
    asked = [ask(f"call {(i + shift) % 600}") for i in range(600)]
    for request in asked:
        cache.put(request.key(), request, reply(name), rule=name, replaces=int(name) == 3)
    cache.flush()
    assert len(cache.get_many([request.key() for request in asked])) == 600
"""


def run_four(code: str, where: str) -> list[str]:
    """Runs code in four processes at once and returns what they printed."""
    runs = [
        subprocess.Popen([sys.executable, "-c", code, where, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4
    return said


class CallClaimsContract:
    """Inherit it and define the fixture `where`: the path or URL of the one cache of the test."""

    @pytest.fixture
    def one(self, where):
        with open_cache(where) as cache:
            yield cache

    @pytest.fixture
    def two(self, where):
        with open_cache(where) as cache:
            yield cache

    def test_what_one_claimed_the_other_does_not_get(self, one, two):
        keys = [ask(f"call {number}").key() for number in range(1000)]
        assert one.claim(keys[:600]) == set(keys[:600])
        assert two.claim(keys) == set(keys[600:])
        assert one.claim(keys) == set(keys[:600]), "what is claimed already is claimed again"
        assert one.claim([]) == set()
        assert two.claim([keys[999], keys[999]]) == {keys[999]}

    def test_what_was_given_back_is_free(self, one, two):
        keys = [ask(f"call {number}").key() for number in range(3)]
        one.claim(keys)
        one.release(keys[:1])
        two.release(keys[1:])
        assert two.claim(keys) == {keys[0]}

    def test_a_reply_gives_its_claim_back(self, one, two):
        request = ask("hello")
        one.claim([request.key()])
        one.put(request.key(), request, reply("hi"))
        one.flush()
        assert two.claim([request.key()]) == set(), "it is stored, so that nobody has to make it"
        assert two.claim([request.key()], anew=True) == {request.key()}

    def test_what_was_put_a_moment_ago_is_not_claimed(self, one):
        request = ask("hello")
        one.put(request.key(), request, reply("hi"))
        assert one.claim([request.key()]) == set()

    def test_a_closed_cache_holds_nothing(self, where, two):
        key = ask("hello").key()
        with open_cache(where) as one:
            one.claim([key])
        assert two.claim([key]) == {key}

    def test_asking_again_is_not_kept_off_by_an_old_reply(self, one, two):
        old, new = ask("old"), ask("new")
        one.put(old.key(), old, reply("hi", created_at="2025-01-01T00:00:00.000+00:00"))
        one.put(new.key(), new, reply("hi", created_at="2025-01-03T00:00:00.000+00:00"))
        one.flush()
        fresh = FreshReplies(two, "2025-01-02T00:00:00+00:00")
        assert fresh.claim([old.key(), new.key()]) == {old.key()}
        assert one.claim([old.key()], anew=True) == set()
        fresh.release([old.key()])
        assert one.claim([old.key()], anew=True) == {old.key()}

    def test_the_claims_of_a_killed_process_are_free_at_once(self, where, two):
        keys = [ask(f"call {number}").key() for number in range(500)]
        with subprocess.Popen(
            [sys.executable, "-c", CLAIM, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout.readline() == "500\n"
            assert two.claim(keys) == set()
            holder.send_signal(signal.SIGKILL)
            holder.wait(timeout=30)
            assert two.claim(keys) == set(keys)

    def test_four_processes_that_want_the_same_calls_make_each_once(self, where):
        made = [int(said) for said in run_four(MAKE_ONCE, where)]
        assert sum(made) == 600
        with open_cache(where) as cache:
            assert cache.count() == 600

    def test_four_processes_that_store_the_same_keys_leave_each_once(self, where):
        run_four(PUT_AND_GET, where)
        with open_cache(where) as cache:
            rows = list(cache.rows())
        assert len(rows) == len({row.key for row in rows}) == 600
