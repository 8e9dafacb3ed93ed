import itertools

import pytest

from dreamsmk.calls import SqliteCallCache

_numbers = itertools.count(1)


@pytest.fixture
def cache(tmp_path):
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        yield cache


@pytest.fixture(scope="session")
def postgres_server():
    """A server for all tests of this process; they may restart it."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'dreamsmk[postgres]'")
    from tests.unit.calls.postgres_server import PostgresServer, find_programs

    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    server = PostgresServer(programs)
    yield server
    server.remove()


@pytest.fixture
def postgres_schema(postgres_server):
    """The name of an empty schema of the test's own."""
    name = f"test_{next(_numbers)}"
    postgres_server.execute(f"create schema {name}")
    return name


@pytest.fixture
def postgres_url(postgres_server, postgres_schema):
    """The URL of an empty call cache of the test's own."""
    return postgres_server.url(schema=postgres_schema)
