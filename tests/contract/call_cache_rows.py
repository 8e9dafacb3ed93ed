"""What every call cache must hold to with whole calls: choosing, copying, checking and dropping them."""

import json
from dataclasses import replace

import pytest

from dreamsmk.calls import ALL, CallRow, Selection, open_cache
from dreamsmk.errors import CacheError
from dreamsmk.hashing import digest_bytes
from tests.contract.call_cache import ask, reply

DAYS = [f"2025-01-0{day}T00:00:00.000+00:00" for day in range(1, 6)]
# Text, model, rule and day of five calls.
CALLS = [
    ("a tweet", "model-a", "tweets", 0),
    ("a thread", "model-a", "threads", 1),
    ("a tweet", "model-b", "tweets", 2),
    ('a "quoted" tweet', "model-a", "tweets", 3),
    ("naïve", "model-b", "", 4),
]


def fill(cache) -> list[str]:
    keys = []
    for text, model, rule, day in CALLS:
        request = ask(text, model)
        cache.put(request.key(), request, reply(f"re: {text}", created_at=DAYS[day]), rule=rule)
        keys.append(request.key())
    return keys


def digested(request: str) -> str:
    return digest_bytes(request.encode(), "sha256")


class CallRowsContract:
    """Inherit it and define the fixture `where`: the path or URL of the one cache of the test."""

    @pytest.fixture
    def filled(self, where):
        with open_cache(where) as cache:
            fill(cache)
            yield cache

    @pytest.fixture
    def other(self, tmp_path):
        with open_cache(tmp_path / "other.db") as cache:
            yield cache

    @pytest.mark.parametrize(
        ("selection", "chosen"),
        [
            (ALL, [0, 1, 2, 3, 4]),
            (Selection(model="model-a"), [0, 1, 3]),
            (Selection(rule="tweets"), [0, 2, 3]),
            (Selection(rule=""), [4]),
            (Selection(provider="echo", model="model-b"), [2, 4]),
            (Selection(provider="openai"), []),
            (Selection(since=DAYS[2]), [2, 3, 4]),
            (Selection(until=DAYS[2]), [0, 1]),
            (Selection(since=DAYS[1], until=DAYS[3], model="model-a"), [1]),
            (Selection(containing="tweet"), [0, 2, 3]),
            (Selection(containing="%"), []),
            (Selection(containing="naïve"), [4]),
            (Selection(keys=frozenset({ask("a thread").key(), ask("unknown").key()})), [1]),
            (Selection(keys=frozenset()), []),
        ],
    )
    def test_calls_are_chosen_counted_and_dropped_alike(self, filled, selection, chosen):
        keys = [ask(text, model).key() for text, model, _, _ in CALLS]
        wanted = [keys[index] for index in chosen]
        assert [row.key for row in filled.rows(selection)] == wanted
        assert [row.key for row in filled.newest(selection, limit=10)] == wanted[::-1]
        assert filled.count(selection) == len(chosen)
        assert sum(each.calls for each in filled.stats(selection)) == len(chosen)
        assert filled.drop(selection) == len(chosen)
        assert filled.existing(keys) == set(keys) - set(wanted)

    def test_a_row_is_the_whole_call(self, filled):
        row = next(filled.rows())
        request = ask("a tweet")
        assert json.loads(row.request) == request.canonical()
        assert json.loads(row.response) == reply("re: a tweet", created_at=DAYS[0]).to_json()
        assert (row.key, row.created_at, row.rule, row.model, row.provider) == (
            request.key(),
            DAYS[0],
            "tweets",
            "model-a",
            "echo",
        )

    def test_rows_stream_in_the_order_in_which_they_came(self, where):
        with open_cache(where) as cache:
            asked = [ask(f"prompt {number}") for number in range(2500)]
            for request in asked:
                cache.put(request.key(), request, reply("hi"))
            assert [row.key for row in cache.rows()] == [request.key() for request in asked]

    def test_a_call_is_found_by_the_beginning_of_its_key(self, filled):
        key = ask("a thread").key()
        assert [row.key for row in filled.beginning(key[:20], limit=2)] == [key]
        assert [row.key for row in filled.beginning(key, limit=2)] == [key]
        assert len(filled.beginning("sha256:", limit=3)) == 3
        assert filled.beginning("sha256:%", limit=3) == []

    def test_rows_of_another_cache_are_added_once(self, filled, other):
        own = ask("a tweet")
        other.put(own.key(), own, reply("its own"), rule="mine")
        assert other.add_rows(filled.rows()) == 4
        assert other.add_rows(filled.rows()) == 0
        assert other.get_many([own.key()])[own.key()].text == "its own"
        assert {row.key: row for row in other.rows()} == {row.key: row for row in filled.rows()} | {
            own.key(): next(other.rows())
        }

    def test_rows_go_there_and_back(self, filled, other):
        rows = list(filled.rows())
        other.add_rows(rows)
        filled.drop(ALL)
        assert filled.add_rows(other.rows()) == 5
        assert list(filled.rows()) == rows
        assert filled.stats() == other.stats()

    def test_a_row_that_is_not_what_it_says_is_refused(self, filled, where):
        row = next(filled.rows())
        value = json.loads(row.response)
        spaced = row.request.replace(":", ": ")
        doubled = row.request.replace('"v":1', '"v":1,"v":1')
        wrong = [
            replace(row, request=row.request.replace("tweet", "sonnet")),
            replace(row, key="sha256:" + "0" * 64),
            replace(row, key=digested(spaced), request=spaced),
            replace(row, key=digested(doubled), request=doubled),
            replace(row, key=digested("[]"), request="[]"),
            replace(row, key=digested("{}"), request="{}"),
            replace(row, key=digested("no JSON"), request="no JSON"),
            replace(row, response="no JSON"),
            replace(row, response="[]"),
            replace(row, response="[" * 100_000),
            replace(row, response=json.dumps(value | {"text": None})),
            replace(row, response=json.dumps(value | {"usage": {"input_tokens": 1}})),
            replace(row, response=json.dumps(value | {"usage": value["usage"] | {"input_tokens": "1"}})),
            replace(row, response=json.dumps(value | {"run": "rm"})),
            replace(row, response=json.dumps(value | {"created_at": "yesterday"}), created_at="yesterday"),
            replace(row, response=json.dumps(value | {"tool_calls": [{"id": 1, "name": "a", "arguments": "{}"}]})),
            replace(row, response=json.dumps(value | {"labels": [1]})),
            replace(row, model="another"),
            replace(row, provider="another"),
            replace(row, created_at="2020-01-01T00:00:00+00:00"),
        ]
        filled.drop(ALL)
        for number, bad in enumerate(wrong):
            with pytest.raises(CacheError) as caught:
                filled.add_rows([bad])
            assert len(str(caught.value).splitlines()) <= 3, number
            assert filled.count() == 0, number
        assert filled.add_rows([row]) == 1

    def test_what_was_put_a_moment_ago_is_dropped_too(self, where):
        request = ask("hello")
        with open_cache(where) as cache:
            cache.put(request.key(), request, reply("hi"))
            assert cache.drop(Selection(containing="hello")) == 1
            assert cache.get_many([request.key()]) == {}

    def test_a_large_cache_is_dropped_in_portions(self, where):
        with open_cache(where) as cache:
            for number in range(7000):
                request = ask(f"prompt {number}", "model-b" if number % 4 == 0 else "model-a")
                cache.put(request.key(), request, reply("hi"))
            assert cache.drop(Selection(model="model-a")) == 5250
            assert cache.count() == 1750

    def test_a_vacuum_leaves_the_other_calls_as_they_were(self, filled, where):
        filled.drop(Selection(model="model-a"))
        left = list(filled.rows())
        filled.vacuum()
        assert list(filled.rows()) == left
        with open_cache(where) as other:
            assert list(other.rows()) == left

    def test_rows_are_plain_values(self, filled):
        assert all(type(row) is CallRow for row in filled.rows())
