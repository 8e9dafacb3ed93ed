"""Claims beside an SQLite cache: who holds them, and when they end."""

import json
import os
import sqlite3
import subprocess
import sys
import threading

from dreamsmk.calls import SqliteCallCache
from dreamsmk.calls.caching.cache import CLAIM_SECONDS
from dreamsmk.calls.caching.claim_owner import has_ended, new_owner
from dreamsmk.calls.caching.claims import SWEPT_AFTER_SECONDS
from dreamsmk.calls.caching.sqlite_claims import SUFFIX, SqliteClaims

KEYS = [f"sha256:{number:064x}" for number in range(10)]
ELSEWHERE = json.dumps(["another-host", "boot", "namespace", 1, "1", "0"])


def aged(path, seconds: float) -> None:
    """Makes all claims older."""
    database = sqlite3.connect(f"{path}{SUFFIX}")
    with database:
        database.execute("UPDATE owners SET renewed_at = renewed_at - ?", (seconds,))
    database.close()


def test_a_living_process_is_told_from_an_ended_one_and_from_one_that_has_its_number_now():
    owner = new_owner()
    assert has_ended(owner) is False
    assert new_owner() != owner
    place = json.loads(owner)[:3]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert has_ended(json.dumps([*place, other.pid, "0", "0"])) is True, "it started at another time"
        other.kill()
        while other.poll() is None:
            pass
    assert has_ended(json.dumps([*place, other.pid, "0", "0"])) is True
    assert has_ended(ELSEWHERE) is None


def test_a_process_that_nobody_has_waited_for_has_ended():
    code = "from dreamsmk.calls.caching.claim_owner import new_owner; print(new_owner(), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    owner = child.stdout.readline()
    assert has_ended(owner) is False
    os.kill(child.pid, 9)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(owner) is True
    child.communicate()


def test_a_claim_of_another_machine_lapses_with_time(tmp_path):
    path = tmp_path / "calls.db"
    with SqliteCallCache(path) as cache:
        elsewhere = SqliteClaims(path)
        elsewhere.take(ELSEWHERE, KEYS)
        assert cache.claim(KEYS) == set()
        aged(path, CLAIM_SECONDS - 5)
        assert cache.claim(KEYS) == set()
        elsewhere.renew(ELSEWHERE)
        aged(path, CLAIM_SECONDS - 5)
        assert cache.claim(KEYS) == set(), "it was renewed"
        aged(path, 10)
        assert cache.claim(KEYS) == set(KEYS)
        elsewhere.close()


def test_a_claim_of_a_living_process_of_this_machine_never_lapses(tmp_path):
    path = tmp_path / "calls.db"
    with SqliteCallCache(path) as one, SqliteCallCache(path) as two:
        one.claim(KEYS)
        aged(path, 100 * CLAIM_SECONDS)
        assert two.claim(KEYS) == set()


def test_old_claims_of_jobs_that_were_killed_are_swept_away(tmp_path):
    path = tmp_path / "calls.db"
    with SqliteCallCache(path) as cache:
        elsewhere = SqliteClaims(path)
        elsewhere.take(ELSEWHERE, KEYS)
        elsewhere.close()
        aged(path, SWEPT_AFTER_SECONDS + 60)
        cache.claim(["another"])
    database = sqlite3.connect(f"{path}{SUFFIX}")
    assert database.execute("SELECT count(*) FROM claims").fetchone() == (0,)
    assert database.execute("SELECT count(*) FROM owners").fetchone() == (0,)
    database.close()


def test_where_nothing_is_claimed_there_is_no_file_of_claims(tmp_path):
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        cache.get_many(KEYS)
        cache.release(KEYS)
    assert not (tmp_path / f"calls.db{SUFFIX}").exists()


def test_a_damaged_file_of_claims_is_begun_anew(tmp_path):
    path = tmp_path / "calls.db"
    (tmp_path / f"calls.db{SUFFIX}").write_bytes(b"no database at all\n" * 500)
    with SqliteCallCache(path) as cache:
        assert cache.claim(KEYS) == set(KEYS)


def test_threads_of_one_process_with_a_cache_each_get_each_key_once(tmp_path):
    path = tmp_path / "calls.db"
    keys = [f"sha256:{number:064x}" for number in range(2000)]
    granted = []

    def claim() -> None:
        with SqliteCallCache(path) as cache:
            for start in range(0, len(keys), 100):
                granted.extend(cache.claim(keys[start : start + 100]))
            done.wait(timeout=30)

    done = threading.Barrier(4)
    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == keys
