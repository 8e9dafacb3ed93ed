from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading

import pytest

from dreamsmk.calls.batches.ledger import APPLICATION_ID, VERSION, BatchLedger
from dreamsmk.calls.batches.states import LedgerBatch, LedgerCall, utc_now
from dreamsmk.errors import CacheError


def batch(uuid: str = "u1", provider: str = "openai") -> LedgerBatch:
    return LedgerBatch(uuid, provider, "", "a-model", "{}", "planned", 0, utc_now())


def calls(*keys: str) -> list[LedgerCall]:
    return [LedgerCall(key, '{"v":1}', 1) for key in keys]


@pytest.fixture
def ledger(tmp_path):
    ledger = BatchLedger(tmp_path / "home" / "batches.db")
    yield ledger
    ledger.close()


def test_a_planned_batch_and_its_calls_are_known_to_another_process(ledger):
    ledger.plan(batch(), calls("a", "b"))
    code = (
        "import sys; from pathlib import Path; from dreamsmk.calls.batches.ledger import BatchLedger;"
        "ledger = BatchLedger(Path(sys.argv[1])); (found,) = ledger.open_batches('openai', '');"
        "print(found.uuid, found.state, found.calls, sorted(ledger.holders(['a', 'b', 'c'])))"
    )
    said = subprocess.run([sys.executable, "-c", code, ledger.path], capture_output=True, text=True, check=True)
    assert said.stdout == "u1 planned 2 ['a', 'b']\n"


def test_a_call_is_in_one_open_batch_at_most(ledger):
    ledger.plan(batch(), calls("a"))
    with pytest.raises(CacheError, match="UNIQUE"):
        ledger.plan(batch("u2"), calls("b", "a"))
    assert ledger.batch("u2") is None
    ledger.close_batch("u1", "ended", answered=1)
    ledger.plan(batch("u2"), calls("b", "a"))


def test_a_batch_goes_from_state_to_state(ledger):
    ledger.plan(batch(), calls("a"))
    ledger.note_input("u1", "file-1")
    ledger.note_submitting("u1")
    assert ledger.batch("u1").state == "submitting"
    assert ledger.batch("u1").submitting_at is not None
    ledger.note_running("u1", "batch-1")
    found = ledger.batch("u1")
    assert (found.state, found.input_id, found.remote_id, found.is_open) == ("running", "file-1", "batch-1", True)
    assert ledger.remote_ids() == {"batch-1"}
    ledger.close_batch("u1", "ended", answered=1, words="done")
    ledger.close_batch("u1", "dropped")
    found = ledger.batch("u1")
    assert (found.state, found.answered, found.words, found.is_open) == ("ended", 1, "done", False)
    assert ledger.holders(["a"]) == {}
    assert ledger.calls("u1") == []


def test_batches_of_other_endpoints_are_left_alone(ledger):
    ledger.plan(batch(), calls("a"))
    assert ledger.open_batches("anthropic", "") == []
    assert ledger.open_batches("openai", "http://elsewhere") == []


def test_many_keys_are_looked_up_at_once(ledger):
    keys = [f"key {number}" for number in range(2500)]
    ledger.plan(batch(), calls(*keys))
    assert ledger.holders([*keys, "another"]) == dict.fromkeys(keys, ("u1", 1))


def test_only_one_at_a_time_may_launch(ledger):
    other = BatchLedger(ledger.path)
    with ledger.launching():
        with other.try_launching() as is_mine:
            assert not is_mine
        waiting = threading.Thread(target=lambda: other.launching().__enter__())
    waiting.start()
    waiting.join(timeout=5)
    assert not waiting.is_alive()
    other.close()


def test_the_file_shrinks_when_its_batches_have_ended(ledger):
    ledger.plan(batch(), [LedgerCall(f"key {number}", "x" * 1000, 1) for number in range(3000)])
    ledger.close_batch("u1", "ended")
    ledger.close()
    assert ledger.path.stat().st_size < 1_000_000


def test_a_newer_file_and_another_kind_of_file_are_left_as_they_are(tmp_path):
    path = tmp_path / "batches.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(CacheError, match="newer than"):
        BatchLedger(path)
    assert path.read_bytes() == before
    path.write_text("not a database, but long enough to look like a file of one" * 40)
    with pytest.raises(CacheError, match="cannot be used"):
        BatchLedger(path)


def test_many_processes_make_the_file_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from dreamsmk.calls.batches.ledger import BatchLedger;"
        "BatchLedger(Path(sys.argv[1])).close()"
    )
    command = [sys.executable, "-c", code, tmp_path / "batches.db"]
    for process in [subprocess.Popen(command) for _ in range(6)]:
        assert process.wait(timeout=60) == 0
