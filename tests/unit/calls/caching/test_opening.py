"""A cache by the name that a config gives it."""

import subprocess
import sys

import pytest

from dreamsmk.calls import SqliteCallCache, is_there, is_url, open_cache


def test_a_path_is_a_file_and_a_url_a_database(tmp_path):
    assert not is_url(tmp_path / "calls.db")
    assert not is_url("results/postgres.db")
    assert is_url("postgres://me@server/calls")
    assert is_url("postgresql:///calls")
    with open_cache(str(tmp_path / "calls.db")) as cache:
        assert isinstance(cache, SqliteCallCache)


def test_asking_whether_a_cache_is_there_makes_none(tmp_path):
    assert not is_there(tmp_path / "calls.db")
    assert list(tmp_path.iterdir()) == []
    assert is_there("postgresql://me@server/calls")


def test_without_the_package_for_postgresql_the_extra_is_named():
    code = """
import sys
sys.modules["psycopg"] = None
from dreamsmk.calls import open_cache
from dreamsmk.errors import MissingExtra
try:
    open_cache("postgresql://me@127.0.0.1:9/calls")
except MissingExtra as exc:
    print(exc)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "pip install 'dreamsmk[postgres]'" in said


@pytest.mark.parametrize("module", ["psycopg", "polars"])
def test_opening_a_file_loads_nothing_that_only_others_need(module):
    code = f"import sys, dreamsmk.calls; print({module!r} in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said == "False\n"
