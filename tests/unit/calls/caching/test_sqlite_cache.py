import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.calls import SqliteCallCache
from dreamsmk.calls.caching import queries
from dreamsmk.calls.caching.cache import Selection
from dreamsmk.calls.caching.sqlite_cache import DIALECT, SqliteDatabase
from dreamsmk.calls.caching.sqlite_file import PAGE_BYTES, SCHEMA_VERSION
from dreamsmk.calls.caching.sqlite_places import place_of, places_beginning
from dreamsmk.errors import CacheError
from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import Usage
from tests.contract.call_cache import CallCacheContract, ask, reply
from tests.contract.call_cache_claims import CallClaimsContract, run_four
from tests.contract.call_cache_rows import CallRowsContract

COUNT = """
with open_cache(sys.argv[1]) as cache:
    print(cache.count())
"""
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


@pytest.fixture
def where(tmp_path):
    return str(tmp_path / "state" / "calls.db")


class TestSqliteCallCache(CallCacheContract):
    @pytest.fixture
    def where(self, tmp_path):
        return tmp_path / "state" / "calls.db"


class TestSqliteCallRows(CallRowsContract):
    pass


class TestSqliteCallClaims(CallClaimsContract):
    pass


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


def version_1(path: Path) -> None:
    """Makes a file as the first version of dreamsmk left it."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.executescript((Path(__file__).parent / "version_1.sql").read_text(encoding="utf-8"))
    database.close()


def test_a_file_of_version_1_is_brought_up_to_date_with_all_that_it_holds(tmp_path):
    path = tmp_path / "calls.db"
    version_1(path)
    with SqliteCallCache(path) as cache:
        assert cache.get_many([ask("hello").key()])[ask("hello").key()] == reply("hi")
        keys = [row.key for row in cache.rows()]
        replies = cache.get_many(keys)
        assert [replies[key].text for key in keys] == ["hi", "half a pair \ud83e", "never"]
        counts = {(each.model, each.base_url): (each.calls, each.usage, each.retries) for each in cache.stats()}
        # What is no JSON for SQLite (an infinite number) is counted as a call of unknown size.
        assert counts == {
            ("gpt", "https://models.example/v1"): (1, Usage(5, 1, 7, 2), 2),
            ("model-a", None): (2, Usage(5, 1, 7, 2), 0),
        }
        request = ask("new")
        cache.put(request.key(), request, reply("hi"))
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    assert database.execute("SELECT count(*) FROM calls").fetchone()[0] == 4
    database.close()


def test_a_migrated_file_has_the_schema_of_a_new_one(tmp_path):
    version_1(tmp_path / "old.db")
    for name in ("old.db", "new.db"):
        SqliteCallCache(tmp_path / name).close()
    schemas = []
    for name in ("old.db", "new.db"):
        database = sqlite3.connect(tmp_path / name)
        schemas.append(
            [
                database.execute("SELECT * FROM pragma_table_info('calls')").fetchall(),
                database.execute("SELECT name FROM pragma_index_info('calls_by_model')").fetchall(),
                database.execute("SELECT name FROM pragma_index_info('calls_by_place')").fetchall(),
            ]
        )
        database.close()
    assert schemas[0] == schemas[1]


def test_processes_that_open_a_file_of_version_1_at_once_migrate_it_once(tmp_path):
    version_1(tmp_path / "calls.db")
    said = run_four("import sys; from dreamsmk.calls import open_cache\n" + COUNT, str(tmp_path / "calls.db"))
    assert said == ["3\n"] * 4


def test_statistics_and_the_choice_of_calls_read_no_request_and_no_reply(tmp_path):
    database = SqliteDatabase(tmp_path / "calls.db")
    for selection in (Selection(), Selection(model="a"), Selection(rule="a", since="2025")):
        query, values = queries.stats(DIALECT, selection, by_rule=True)
        (plan, *_) = database.select(f"EXPLAIN QUERY PLAN {query}", values)
        assert "USING COVERING INDEX calls_by_model" in plan[3]
    database.close()


def test_keys_are_found_by_their_place(tmp_path):
    database = SqliteDatabase(tmp_path / "calls.db")
    for query, values in (
        (queries.replies(DIALECT), DIALECT.keys(["sha256:ab"])),
        (queries.existing(DIALECT), DIALECT.keys(["sha256:ab"])),
        queries.count(DIALECT, Selection(keys=frozenset({"sha256:ab"}))),
        queries.beginning(DIALECT, "sha256:ab", 2),
    ):
        (plan, *_) = database.select(f"EXPLAIN QUERY PLAN {query}", values)
        assert "USING INDEX calls_by_place" in plan[3]
    database.close()


def test_two_keys_with_one_place_are_two_calls(tmp_path):
    one, two, three = (f"sha256:{'ab' * 8}{number:048x}" for number in range(3))
    assert place_of(one) == place_of(two) == place_of(three)
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        for key in (one, two):
            cache.put(key, ask("hello"), reply(key), body=b"{}")
        cache.flush()
        assert {key: found.text for key, found in cache.get_many([one, two, three]).items()} == {one: one, two: two}
        assert cache.existing([one, three]) == {one}
        cache.put(two, ask("hello"), reply("new"), body=b"{}", replaces=True)
        cache.flush()
        assert {key: found.text for key, found in cache.get_many([one, two]).items()} == {one: one, two: "new"}
        assert cache.drop(Selection(keys=frozenset({two}))) == 1
        assert [row.key for row in cache.rows()] == [one]


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 71))
def test_a_key_lies_among_the_places_of_its_beginning(digits, length):
    key = f"sha256:{digits}"
    first, last = places_beginning(key[:length])
    assert first <= place_of(key) <= last
    assert last - first < 16 ** max(0, 15 - max(0, length - 7))


def test_a_table_has_nothing_but_texts_and_numbers(tmp_path):
    SqliteCallCache(tmp_path / "calls.db").close()
    database = sqlite3.connect(tmp_path / "calls.db")
    columns = database.execute("SELECT name, type FROM pragma_table_info('calls')").fetchall()
    database.close()
    assert {kind for _, kind in columns} == {"TEXT", "INTEGER", "REAL"}


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
    content[PAGE_BYTES:] = b"\xff" * (len(content) - PAGE_BYTES)
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
