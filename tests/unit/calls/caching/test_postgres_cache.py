"""The call cache in a real PostgreSQL server."""

import json
import threading
import time

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'dreamsmk[postgres]'")

from dreamsmk.calls.caching.cache import CLAIM_SECONDS
from dreamsmk.calls.caching.postgres_cache import PostgresCallCache, PostgresDatabase
from dreamsmk.calls.caching.postgres_schema import SCHEMA_VERSION
from dreamsmk.errors import CacheError
from dreamsmk.hashing import canonical_bytes
from tests.contract.call_cache import CallCacheContract, ask, reply
from tests.contract.call_cache_claims import CallClaimsContract, run_four
from tests.contract.call_cache_rows import CallRowsContract

OPEN = """
import sys
from dreamsmk.calls import open_cache
with open_cache(sys.argv[1]) as cache:
    print(cache.count())
"""


@pytest.fixture
def where(postgres_url):
    return postgres_url


class TestPostgresCallCache(CallCacheContract):
    @pytest.fixture
    def where(self, postgres_url):
        return postgres_url


class TestPostgresCallRows(CallRowsContract):
    pass


class TestPostgresCallClaims(CallClaimsContract):
    pass


def test_processes_that_come_to_an_empty_database_at_once_make_its_tables_once(postgres_server):
    for number in range(3):
        postgres_server.execute(f"create schema empty_{number}")
        assert run_four(OPEN, postgres_server.url(schema=f"empty_{number}")) == ["0\n"] * 4


def test_rows_are_plain_json_with_the_whole_request(postgres_url, postgres_server, postgres_schema):
    request = ask("hello")
    with PostgresCallCache(postgres_url) as cache:
        cache.put(request.key(), request, reply("hi"), rule="greet")
    (row,) = postgres_server.execute("select key, request, response, rule from dreamsmk_calls", schema=postgres_schema)
    assert row[0] == request.key()
    assert row[1] == canonical_bytes(request.canonical()).decode()
    assert json.loads(row[2]) == reply("hi").to_json()
    assert row[3] == "greet"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_goes_away_for_a_while_is_waited_for(postgres_server, postgres_url, mode):
    asked = [ask(f"call {number}") for number in range(400)]
    with PostgresCallCache(postgres_url) as cache:
        for request in asked[:100]:
            cache.put(request.key(), request, reply("hi"))
        cache.flush()
        cache.claim([asked[0].key()], anew=True)
        with postgres_server.away(1.0, mode):
            for request in asked[100:]:
                cache.put(request.key(), request, reply("hi"))
            assert len(cache.get_many([request.key() for request in asked])) == 400
            cache.flush()
    with PostgresCallCache(postgres_url) as cache:
        assert cache.count() == 400


def test_a_server_that_stays_away_is_told_of_once_and_not_waited_for_again(postgres_server, postgres_url):
    request = ask("hello")
    cache = PostgresCallCache(postgres_url, patience_seconds=0.3)
    cache.claim([request.key()])
    postgres_server.stop()
    try:
        cache.put(request.key(), request, reply("hi"))
        with pytest.raises(CacheError, match="cannot be used") as caught:
            cache.flush()
        assert "start the server" in str(caught.value)
        started = time.monotonic()
        with pytest.raises(CacheError, match="cannot be used"):
            cache.get_many(["sha256:another"])
        with pytest.raises(CacheError, match="cannot be used"):
            cache.close()
        assert time.monotonic() - started < 0.3
    finally:
        postgres_server.start()


def test_a_server_that_has_just_been_started_is_waited_for(postgres_server, postgres_url):
    with postgres_server.away(0.5), PostgresCallCache(postgres_url) as cache:
        assert cache.count() == 0


def test_the_claims_of_a_machine_that_cannot_be_asked_lapse_with_time(postgres_server, postgres_url, postgres_schema):
    key = ask("hello").key()
    elsewhere = json.dumps(["another-host", "boot", "namespace", 1, "1", "0"])
    session = PostgresDatabase(postgres_url)
    assert session.book().take(elsewhere, [key]) == {}
    with PostgresCallCache(postgres_url) as cache:
        assert cache.claim([key]) == set()
        moment = f"now() - interval '{CLAIM_SECONDS + 1} seconds'"
        postgres_server.execute(f"update dreamsmk_owners set renewed_at = {moment} returning 1", schema=postgres_schema)
        assert cache.claim([key]) == {key}
    session.close()


def test_jobs_that_store_the_same_keys_in_opposite_orders_do_not_block_each_other(postgres_url):
    asked = [ask(f"call {number}") for number in range(3000)]

    def put(requests):
        with PostgresCallCache(postgres_url) as cache:
            for request in requests:
                cache.put(request.key(), request, reply("hi"), replaces=True)

    workers = [threading.Thread(target=put, args=(requests,)) for requests in (asked, asked[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    with PostgresCallCache(postgres_url) as cache:
        assert cache.count() == 3000


def test_tables_of_a_newer_version_are_an_error_that_says_so(postgres_server, postgres_url, postgres_schema):
    PostgresCallCache(postgres_url).close()
    postgres_server.execute(f"update dreamsmk_schema set version = {SCHEMA_VERSION + 1}", schema=postgres_schema)
    with pytest.raises(CacheError, match=f"schema version {SCHEMA_VERSION + 1}, newer than") as caught:
        PostgresCallCache(postgres_url)
    assert "update dreamsmk" in str(caught.value)


def test_a_database_that_cannot_hold_every_text_is_refused(postgres_server):
    postgres_server.execute("create database latin encoding 'LATIN1' template template0 locale 'C'")
    with pytest.raises(CacheError, match="LATIN1"):
        PostgresCallCache(postgres_server.url("latin"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"database": "nowhere"}, "make the role and the database"),
        ({"user": "nobody-here"}, "make the role and the database"),
        ({"user": "locked"}, "PGPASSWORD or ~/.pgpass"),
    ],
)
def test_what_no_waiting_helps_against_is_told_at_once(postgres_server, change, words):
    with pytest.raises(CacheError, match="cannot be used") as caught:
        PostgresCallCache(postgres_server.url(**change))
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_password_comes_from_the_environment_and_is_never_shown(postgres_server, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "wrong-secret")
    url = postgres_server.url(user="locked")
    with pytest.raises(CacheError) as caught:
        PostgresCallCache(url)
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
    monkeypatch.setenv("PGPASSWORD", "right-secret")
    postgres_server.execute("create schema if not exists locked authorization locked")
    with PostgresCallCache(url) as cache:
        assert cache.count() == 0


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1/calls",
        "postgresql://127.0.0.1/calls?password=hunter2",
        "postgresql://127.0.0.1/calls?sslpassword=hunter2",
        "postgresql://me:hunter2@127.0.0.1:port/calls",
        "postgresql://me:hun%ter2@[127.0.0.1/calls",
        "postgresql://me@127.0.0.1/calls?hunter2=1",
    ],
)
def test_a_url_with_a_password_or_a_fault_is_refused_unseen(url):
    with pytest.raises(CacheError) as caught:
        PostgresCallCache(url)
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_a_closed_cache_says_that_it_is_closed(postgres_url):
    request = ask("hello")
    cache = PostgresCallCache(postgres_url)
    cache.close()
    with pytest.raises(CacheError, match="closed"):
        cache.get_many([request.key()])
    with pytest.raises(CacheError, match="closed"):
        cache.put(request.key(), request, reply("hi"))


def test_a_job_takes_one_connection(postgres_server, postgres_url):
    count = "select count(*) from pg_stat_activity where application_name = 'dreamsmk'"
    before = postgres_server.execute(count)[0][0]
    request = ask("hello")
    with PostgresCallCache(postgres_url) as cache:
        cache.claim([request.key()])
        cache.put(request.key(), request, reply("hi"))
        cache.flush()
        cache.get_many([request.key()])
        assert postgres_server.execute(count)[0][0] == before + 1
