import json
import os
import sqlite3
import subprocess
import sys

import pytest

from dreamsmk.calls import SqliteCallCache
from dreamsmk.calls.sqlite_file import SCHEMA_VERSION
from dreamsmk.errors import CacheError
from dreamsmk.hashing import canonical_bytes
from tests.contract.call_cache import CallCacheContract, ask, reply

WRITE_MANY = """
import sys
from dreamsmk.calls import SqliteCallCache
from tests.contract.call_cache import ask, reply
path, name = sys.argv[1:]
with SqliteCallCache(path) as cache:
    for i in range(1500):
        for request in (ask(f"shared {i}"), ask(f"{name} {i}")):
            cache.put(request.key(), request, reply(name))
        if i % 100 == 0:
            cache.flush()
"""


class TestSqliteCallCache(CallCacheContract):
    @pytest.fixture
    def open_cache(self, tmp_path):
        return lambda: SqliteCallCache(tmp_path / "state" / "calls.db")


def test_processes_that_open_and_write_a_new_file_at_once_lose_nothing(tmp_path):
    path = tmp_path / "calls.db"
    names = ["one", "two", "three"]
    workers = [subprocess.Popen([sys.executable, "-c", WRITE_MANY, path, name]) for name in names]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0]
    with SqliteCallCache(path) as cache:
        assert cache.stats()[0].calls == 1500 * 4
        found = cache.get_many([ask(f"shared {i}").key() for i in range(1500)])
    assert {response.text for response in found.values()} <= set(names)


def test_rows_are_plain_json_with_the_whole_request(tmp_path):
    request = ask("hello")
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        cache.put(request.key(), request, reply("hi"), rule="greet")
    with sqlite3.connect(tmp_path / "calls.db") as database:
        row = database.execute("SELECT key, request, response, created_at, rule, model, provider FROM calls").fetchone()
    database.close()
    assert row[0] == request.key()
    assert row[1] == canonical_bytes(request.canonical()).decode()
    assert json.loads(row[2]) == reply("hi").to_json()
    assert row[3:] == ("2025-01-01T00:00:00+00:00", "greet", "model-a", "echo")


def test_no_table_has_anything_but_text(tmp_path):
    SqliteCallCache(tmp_path / "calls.db").close()
    database = sqlite3.connect(tmp_path / "calls.db")
    columns = database.execute("SELECT name, type FROM pragma_table_info('calls')").fetchall()
    database.close()
    assert {kind for _, kind in columns} == {"TEXT"}


def test_a_newer_schema_version_is_an_error_that_says_so(tmp_path):
    path = tmp_path / "calls.db"
    SqliteCallCache(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(CacheError, match=f"schema version {SCHEMA_VERSION + 1}, newer than") as caught:
        SqliteCallCache(path)
    assert "update dreamsmk" in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_database_is_an_error_and_left_alone(tmp_path):
    path = tmp_path / "calls.db"
    path.write_bytes(b"not a database at all\n" * 500)
    before = path.read_bytes()
    with pytest.raises(CacheError, match="cannot be used") as caught:
        SqliteCallCache(path)
    assert "hint: move the file away" in str(caught.value)
    assert path.read_bytes() == before


def test_another_kind_of_database_is_an_error_and_left_alone(tmp_path):
    path = tmp_path / "digests.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE memo (path TEXT)")
    database.commit()
    database.close()
    before = path.read_bytes()
    with pytest.raises(CacheError, match="not a call cache"):
        SqliteCallCache(path)
    assert path.read_bytes() == before


def test_a_damaged_page_is_an_error_with_a_hint(tmp_path):
    path = tmp_path / "calls.db"
    asked = [ask(f"prompt {i}") for i in range(300)]
    with SqliteCallCache(path) as cache:
        for request in asked:
            cache.put(request.key(), request, reply("x" * 500))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with SqliteCallCache(path) as cache, pytest.raises(CacheError, match="cannot be used") as caught:
        cache.get_many([request.key() for request in asked])
    assert "hint: move the file away" in str(caught.value)


def test_a_path_that_cannot_be_made_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match="cannot be used") as caught:
        SqliteCallCache(tmp_path / "file" / "calls.db")
    assert "hint: give a file in a folder" in str(caught.value)
    with pytest.raises(CacheError, match="cannot be used") as caught:
        SqliteCallCache(tmp_path)
    assert "hint: give a file in a folder" in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_is_read_only_is_an_error_when_opened(tmp_path):
    path = tmp_path / "calls.db"
    SqliteCallCache(path).close()
    path.chmod(0o444)
    with pytest.raises(CacheError, match="readonly") as caught:
        SqliteCallCache(path)
    assert "make the file" in str(caught.value)


def test_a_write_that_fails_is_told_to_whoever_puts_next(tmp_path):
    path = tmp_path / "calls.db"
    request = ask("hello")
    cache = SqliteCallCache(path)
    database = sqlite3.connect(path)
    database.execute("DROP TABLE calls")
    database.commit()
    database.close()
    cache.put(request.key(), request, reply("hi"))
    with pytest.raises(CacheError, match="no such table"):
        cache.flush()
    with pytest.raises(CacheError, match="no such table"):
        cache.put(request.key(), request, reply("hi"))
    with pytest.raises(CacheError, match="no such table"):
        cache.close()


def test_a_closed_cache_says_that_it_is_closed(tmp_path):
    request = ask("hello")
    cache = SqliteCallCache(tmp_path / "calls.db")
    cache.close()
    with pytest.raises(CacheError, match="closed"):
        cache.get_many([request.key()])
    with pytest.raises(CacheError, match="closed"):
        cache.put(request.key(), request, reply("hi"))


def test_what_was_put_is_kept_though_nobody_closes(tmp_path):
    code = (
        "import sys; from dreamsmk.calls import SqliteCallCache; from tests.contract.call_cache import ask, reply\n"
        "cache = SqliteCallCache(sys.argv[1]); cache.put(ask('a').key(), ask('a'), reply('kept'))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "calls.db"], check=True, timeout=60)
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        assert cache.get_many([ask("a").key()])[ask("a").key()].text == "kept"


def test_a_forgotten_cache_is_written_and_let_go_of(tmp_path):
    cache = SqliteCallCache(tmp_path / "calls.db")
    cache.put(ask("a").key(), ask("a"), reply("kept"))
    del cache
    with SqliteCallCache(tmp_path / "calls.db") as again:
        assert again.get_many([ask("a").key()])
