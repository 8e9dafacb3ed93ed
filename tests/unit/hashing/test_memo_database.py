"""The memo's file stands many processes, damage, and versions."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import threading
import time

import pytest

from dreamsmk.errors import StoreError
from dreamsmk.hashing import DigestMemo, digest_bytes


def ask_and_write(db_path, folder, number, rounds):
    """Reads and writes files that other processes read and write, and checks each digest that is stable."""
    with DigestMemo(db_path) as memo:
        for turn in range(rounds):
            own = folder / f"own-{number}"
            own.write_bytes(b"%d-%d" % (number, turn))
            assert memo.of(own) == digest_bytes(b"%d-%d" % (number, turn))
            for shared in range(20):
                assert memo.of(folder / f"shared-{shared}") == digest_bytes(b"%d" % shared)
            with memo.carried(own):
                os.utime(own)


def test_processes_that_open_and_use_it_at_once_agree(tmp_path):
    for shared in range(20):
        (tmp_path / f"shared-{shared}").write_bytes(b"%d" % shared)
    db_path = tmp_path / ".dreamsmk" / "digests.db"
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=ask_and_write, args=(db_path, tmp_path, number, 15)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    with DigestMemo(db_path) as memo:
        assert memo.known(tmp_path / "shared-7") == digest_bytes(b"7")


def test_threads_share_one_memo(tmp_path):
    for shared in range(20):
        (tmp_path / f"shared-{shared}").write_bytes(b"%d" % shared)
    faults = []

    def work(number):
        for shared in range(20):
            if memo.of(tmp_path / f"shared-{shared}") != digest_bytes(b"%d" % shared):
                faults.append((number, shared))

    with DigestMemo(tmp_path / "home" / "digests.db") as memo:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_uses_a_connection_of_its_own(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    memo = DigestMemo(tmp_path / "home" / "digests.db")
    memo.of(tmp_path / "file")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = int(memo.of(tmp_path / "file") != digest_bytes(b"x"))
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert memo.of(tmp_path / "file") == digest_bytes(b"x")
    memo.close()


@pytest.mark.parametrize("damage", ["garbage", "header", "middle", "empty"])
def test_a_damaged_memo_is_begun_anew(tmp_path, damage):
    db_path = tmp_path / "home" / "digests.db"
    for number in range(200):
        (tmp_path / f"{number}").write_bytes(b"x")
    with DigestMemo(db_path) as memo:
        for number in range(200):
            memo.of(tmp_path / f"{number}")
    content = bytearray(db_path.read_bytes())
    if damage == "middle":
        content[4096:] = b"\xff" * (len(content) - 4096)
    elif damage == "header":
        content[:100] = b"\xff" * 100
    db_path.write_bytes({"garbage": b"no database at all" * 500, "empty": b""}.get(damage, bytes(content)))
    with DigestMemo(db_path) as memo:
        for number in range(200):
            assert memo.of(tmp_path / f"{number}") == digest_bytes(b"x")
        time.sleep(0.06)
        memo.of(tmp_path / "0")
        assert memo.known(tmp_path / "0") == digest_bytes(b"x")


def test_a_memo_of_a_newer_version_is_an_error_and_is_left_alone(tmp_path):
    db_path = tmp_path / "home" / "digests.db"
    db_path.parent.mkdir()
    connection = sqlite3.connect(db_path)
    connection.execute("CREATE TABLE digests (something_else)")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = db_path.read_bytes()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="version 99") as caught:
        DigestMemo(db_path).of(tmp_path / "file")
    assert len(str(caught.value).splitlines()) <= 3
    assert db_path.read_bytes() == before


def test_a_memo_that_cannot_be_opened_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "digests.db").mkdir()
    with pytest.raises(StoreError, match="memo"):
        DigestMemo(tmp_path / "digests.db").of(tmp_path / "file")
    with pytest.raises(StoreError, match="folder"):
        DigestMemo(tmp_path / "file" / "digests.db").of(tmp_path / "file")


def test_a_memo_whose_folder_is_removed_meanwhile_still_gives_right_digests(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with DigestMemo(tmp_path / "home" / "digests.db") as memo:
        memo.of(tmp_path / "file")
    shutil.rmtree(tmp_path / "home")
    assert memo.of(tmp_path / "file") == digest_bytes(b"x")
    memo.close()


def test_making_a_memo_writes_nothing_until_it_is_used(tmp_path):
    DigestMemo(tmp_path / "home" / "digests.db").close()
    assert list(tmp_path.iterdir()) == []
