"""Rows wait for the disk in groups, and whoever makes more of them can wait for it too."""

import threading
import time

import pytest

from dreamsmk.calls import SqliteCallCache
from dreamsmk.calls.caching.database_cache import MAX_UNWRITTEN
from dreamsmk.calls.caching.group_commit import GroupCommit
from dreamsmk.errors import CacheError
from tests.unit.calls.providers import request, response


def test_a_wait_for_room_ends_when_few_enough_rows_are_left():
    gate, written = threading.Semaphore(0), []

    def write(rows: list[int]) -> None:
        gate.acquire()
        written.extend(rows)

    group = GroupCommit(write, delay_seconds=0.0, max_rows=2)
    for row in range(10):
        group.add(row)
    group.wait_for_room(10)
    waiting = threading.Thread(target=group.wait_for_room, args=(4,))
    waiting.start()
    time.sleep(0.05)
    assert waiting.is_alive()
    gate.release(5)
    waiting.join(timeout=10)
    assert not waiting.is_alive()
    gate.release(10)
    group.close()
    assert written == list(range(10))


def test_a_wait_for_room_hears_that_rows_cannot_be_written():
    def write(rows: list[int]) -> None:
        raise CacheError("the disk is full")

    group = GroupCommit(write, delay_seconds=0.0)
    group.add(1)
    with pytest.raises(CacheError, match="full"):
        group.wait_for_room(0)


def test_no_call_is_claimed_as_long_as_very_many_replies_wait_for_the_disk(tmp_path):
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        asked = request("the same")
        for number in range(3 * MAX_UNWRITTEN):
            cache.put(f"sha256:{number:064x}", asked, response("hi"), body=b"{}")
        cache.claim([asked.key()])
        with SqliteCallCache(tmp_path / "calls.db") as other:
            assert other.count() >= 2 * MAX_UNWRITTEN
