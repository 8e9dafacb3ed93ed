"""Whole calls to a file and back."""

import json
import math
from dataclasses import replace

import pytest

from dreamsmk.calls import SqliteCallCache
from dreamsmk.calls.caching.row_files import read_rows, write_rows
from dreamsmk.errors import SettingsError, TableError
from tests.contract.call_cache import ask, reply


@pytest.fixture
def rows(cache):
    replies = [
        reply("hi"),
        reply('naïve 🦜 "quoted" \u2028 \0'),
        reply("half a pair \ud83e"),
        replace(reply("null"), logprobs=({"token": "a", "logprob": -math.inf, "top": None},)),
    ]
    for number, each in enumerate(replies):
        request = ask(f"prompt {number} 日本")
        cache.put(request.key(), request, each, rule="a 'rule'")
    return list(cache.rows())


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_calls_come_back_byte_for_byte(rows, tmp_path, suffix):
    path = tmp_path / "out" / f"calls{suffix}"
    assert write_rows(iter(rows), path) == 4
    assert list(read_rows(path)) == rows
    with SqliteCallCache(tmp_path / "other.db") as other:
        assert other.add_rows(read_rows(path)) == 4
        assert list(other.rows()) == rows


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_more_calls_than_one_batch_stream(cache, tmp_path, suffix):
    for number in range(11_000):
        request = ask(f"prompt {number}")
        cache.put(request.key(), request, reply("hi"))
    assert write_rows(cache.rows(), tmp_path / f"calls{suffix}") == 11_000
    assert [row.key for row in read_rows(tmp_path / f"calls{suffix}")] == [row.key for row in cache.rows()]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_no_calls_are_a_file_too(tmp_path, suffix):
    assert write_rows([], tmp_path / f"calls{suffix}") == 0
    assert list(read_rows(tmp_path / f"calls{suffix}")) == []


def test_a_line_of_json_shows_the_request_as_a_value(rows, tmp_path):
    write_rows(rows[:1], tmp_path / "calls.jsonl")
    (line,) = (tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    value = json.loads(line)
    assert value["request"] == ask("prompt 0 日本").canonical()
    assert value["response"] == reply("hi").to_json()


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_an_error_on_the_way_leaves_no_file(rows, tmp_path, suffix):
    def broken():
        yield from rows
        raise KeyboardInterrupt

    folder = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        write_rows(broken(), folder / f"calls{suffix}")
    assert list(folder.glob("*")) == []


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        "{}",
        '{"key": 1}',
        '{"key":"a","created_at":"","rule":"","model":"","provider":1,"request":{},"response":{}}',
        "[" * 100_000,
    ],
    ids=lambda line: line[:20],
)
def test_a_line_that_is_no_call_is_named(rows, tmp_path, line):
    path = tmp_path / "calls.jsonl"
    write_rows(rows[:1], path)
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(TableError, match="this line is no call") as caught:
        list(read_rows(path))
    assert caught.value.where == f"{path}, line 2"
    assert len(str(caught.value)) < 400


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no kind of file for calls"):
        write_rows([], tmp_path / "calls.csv")
    with pytest.raises(TableError):
        list(read_rows(tmp_path / "none.jsonl"))
