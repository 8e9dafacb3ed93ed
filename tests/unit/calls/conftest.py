import pytest

from dreamsmk.calls import SqliteCallCache


@pytest.fixture
def cache(tmp_path):
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        yield cache
