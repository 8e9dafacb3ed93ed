"""What every call cache must hold to. A cache's own test inherits `CallCacheContract` and says where one may be.

The second half of the contract, on whole calls and on claims, stands in `call_cache_rows` and `call_cache_claims`.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from dreamsmk.calls import CallCache, ModelCalls, RuleCalls, open_cache
from dreamsmk.requests import Message, ModelIdentity, Request, Response, ToolCall, Usage

OpenCache = Callable[[], CallCache]


def ask(text: str, model: str = "model-a") -> Request:
    return Request(ModelIdentity("echo", model), (Message("user", text),))


def reply(text: str, *, created_at: str = "2025-01-01T00:00:00+00:00") -> Response:
    return Response(text, "stop", "model-a-2025", Usage(5, 1, 7, 2), created_at, 0.5, "id", "fingerprint")


class CallCacheContract:
    """Inherit it and define the fixture `where`: the path or URL of the one cache of the test."""

    @pytest.fixture
    def where(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def open_cache(self, where) -> OpenCache:
        return lambda: open_cache(where)

    @pytest.fixture
    def cache(self, open_cache):
        with open_cache() as cache:
            yield cache

    def test_what_was_put_is_found_at_once(self, cache):
        request = ask("hello")
        cache.put(request.key(), request, reply("hi"))
        assert cache.get_many([request.key()]) == {request.key(): reply("hi")}

    def test_what_exists_is_known_without_its_reply(self, open_cache):
        asked = [ask(f"question {number}") for number in range(3000)]
        with open_cache() as cache:
            for request in asked[::2]:
                cache.put(request.key(), request, reply("hi"))
            keys = [request.key() for request in asked]
            assert cache.existing(keys) == set(keys[::2])
        with open_cache() as cache:
            assert cache.existing(keys) == set(keys[::2])
            assert cache.existing([]) == set()

    def test_what_a_model_wrote_lately_is_told_by_rule(self, cache):
        for rule, text, model in [("a", "1", "model-a"), ("a", "2", "model-a"), ("b", "3", "model-a"), ("a", "4", "x")]:
            request = ask(text, model)
            cache.put(request.key(), request, reply("hi"), rule=rule)
        assert cache.lately("echo", "model-a") == [
            RuleCalls("a", 2, Usage(10, 2, 14, 4)),
            RuleCalls("b", 1, Usage(5, 1, 7, 2)),
        ]
        assert cache.lately("echo", "unknown") == []

    def test_stored_calls_come_newest_first_by_model_and_by_text(self, cache):
        asked = [ask("first"), ask("second"), ask("third", "model-b")]
        for request in asked:
            cache.put(request.key(), request, reply("hi"), rule="tweets")
        keys = [request.key() for request in asked]
        assert [call.key for call in cache.stored()] == keys[::-1]
        assert [call.key for call in cache.stored(limit=1)] == [keys[2]]
        assert [call.key for call in cache.stored(model="model-a")] == [keys[1], keys[0]]
        (found,) = cache.stored(containing='"first"')
        assert (found.request, found.rule) == (asked[0].canonical(), "tweets")

    def test_what_was_put_is_found_by_the_next_one(self, open_cache):
        request = ask("hello")
        with open_cache() as cache:
            cache.put(request.key(), request, reply("hi"), rule="greet")
        with open_cache() as cache:
            assert cache.get_many([request.key()]) == {request.key(): reply("hi")}

    def test_what_was_flushed_is_found_by_another_one_meanwhile(self, open_cache):
        request = ask("hello")
        with open_cache() as one, open_cache() as other:
            one.put(request.key(), request, reply("hi"))
            one.flush()
            assert other.get_many([request.key()]) == {request.key(): reply("hi")}

    def test_what_was_put_is_found_by_another_one_soon_without_a_flush(self, open_cache):
        request = ask("hello")
        with open_cache() as one, open_cache() as other:
            one.put(request.key(), request, reply("hi"))
            pause = threading.Event()
            for _ in range(200):
                if other.get_many([request.key()]):
                    break
                pause.wait(0.01)
            assert other.get_many([request.key()])

    def test_missing_keys_are_left_out(self, cache):
        request = ask("hello")
        cache.put(request.key(), request, reply("hi"))
        assert list(cache.get_many([request.key(), ask("other").key()])) == [request.key()]
        assert cache.get_many([]) == {}

    def test_the_first_reply_under_a_key_stays(self, open_cache):
        request = ask("hello")
        with open_cache() as cache:
            cache.put(request.key(), request, reply("first"))
            cache.put(request.key(), request, reply("second"))
            assert cache.get_many([request.key()])[request.key()].text == "first"
            cache.flush()
            cache.put(request.key(), request, reply("third"))
        with open_cache() as cache:
            assert cache.get_many([request.key()])[request.key()].text == "first"

    def test_a_reply_that_replaces_is_found_at_once_and_by_the_next_one(self, open_cache):
        request, other = ask("hello"), ask("other")
        with open_cache() as cache:
            cache.put(request.key(), request, reply("first"), rule="a")
            cache.put(request.key(), request, reply("second"), rule="b", replaces=True)
            assert cache.get_many([request.key()])[request.key()].text == "second"
            cache.put(request.key(), request, reply("third"))
            cache.flush()
            assert cache.get_many([request.key()])[request.key()].text == "second"
            cache.put(other.key(), other, reply("other"), replaces=True)
            cache.put(request.key(), request, reply("fourth"), rule="c", replaces=True)
            assert cache.get_many([request.key()])[request.key()].text == "fourth"
        with open_cache() as cache:
            assert cache.get_many([request.key()])[request.key()].text == "fourth"
            assert [(call.key, call.rule) for call in cache.stored()] == [(request.key(), "c"), (other.key(), "")]
            assert [entry.calls for entry in cache.stats()] == [2]

    def test_a_reply_that_replaces_is_found_by_another_one_that_is_open(self, open_cache):
        request = ask("hello")
        with open_cache() as one, open_cache() as other:
            one.put(request.key(), request, reply("first"))
            one.flush()
            assert other.get_many([request.key()])[request.key()].text == "first"
            one.put(request.key(), request, reply("second"), replaces=True)
            one.flush()
            assert other.get_many([request.key()])[request.key()].text == "second"

    def test_among_replies_put_fast_the_last_that_replaces_stays(self, open_cache):
        request = ask("hello")
        with open_cache() as cache:
            for number in range(2500):
                cache.put(request.key(), request, reply(str(number)), replaces=number % 3 == 0)
                assert cache.get_many([request.key()])[request.key()].text == str(number - number % 3)
        with open_cache() as cache:
            assert cache.get_many([request.key()])[request.key()].text == "2499"

    def test_thousands_of_keys_are_looked_up_at_once(self, open_cache):
        asked = {request.key(): request for request in (ask(f"prompt {i}") for i in range(5000))}
        with open_cache() as cache:
            for key, request in asked.items():
                cache.put(key, request, reply(request.messages[0].content))
        with open_cache() as cache:
            found = cache.get_many(list(asked))
        assert {key: response.text for key, response in found.items()} == {
            key: request.messages[0].content for key, request in asked.items()
        }

    @pytest.mark.parametrize(
        "text", ["", "naïve 日本語 🦜", "nul \0 and \u2028", "half a pair \ud83e", '"quotes" \\ \n']
    )
    def test_every_text_comes_back_as_it_was(self, open_cache, text):
        request = ask("hello")
        with open_cache() as cache:
            cache.put(request.key(), request, reply(text))
        with open_cache() as cache:
            assert cache.get_many([request.key()])[request.key()].text == text

    @pytest.mark.parametrize(
        "fields",
        [
            {"request_id": None, "system_fingerprint": None},
            {"retries": 3, "refusal": "No.", "reasoning": "Let me think."},
            {"tool_calls": (ToolCall("call_1", "search", '{"q": "a"}'),)},
            {"logprobs": ({"token": "a", "logprob": -0.5, "top": [{"token": "a", "logprob": -0.5}]},)},
            {"logprobs": ({"token": "null", "logprob": -math.inf, "top": []},), "text": "null \ud83e"},
            {"embedding": "AACAPw==", "labels": {"joy": 0.25, "anger": 1e-300}},
            {"labels": {"joy": math.inf}, "latency_seconds": 1e-9},
        ],
        ids="+".join,
    )
    def test_every_field_comes_back_as_it_was(self, open_cache, fields):
        request, whole = ask("hello"), replace(reply("hi"), **fields)
        with open_cache() as cache:
            cache.put(request.key(), request, whole)
        with open_cache() as cache:
            assert cache.get_many([request.key()]) == {request.key(): whole}

    def test_a_reply_with_a_number_that_is_none_is_kept_all_the_same(self, open_cache):
        request = ask("hello")
        with open_cache() as cache:
            cache.put(request.key(), request, replace(reply("hi"), latency_seconds=math.nan))
        with open_cache() as cache:
            assert math.isnan(cache.get_many([request.key()])[request.key()].latency_seconds)

    def test_threads_may_put_and_get_at_once(self, cache):
        asked = [[ask(f"thread {t} prompt {i}") for i in range(200)] for t in range(4)]
        missing: list[str] = []

        def work(mine: list[Request]) -> None:
            for request in mine:
                cache.put(request.key(), request, reply(request.messages[0].content))
                if request.key() not in cache.get_many([request.key()]):
                    missing.append(request.key())

        threads = [threading.Thread(target=work, args=(mine,)) for mine in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert missing == []
        assert [entry.calls for entry in cache.stats()] == [800]

    def test_stats_count_calls_tokens_and_time_of_each_model(self, cache):
        for index, (model, rule) in enumerate([("model-b", "a"), ("model-a", "a"), ("model-a", "b")]):
            request = ask(f"prompt {index}", model)
            answered = replace(
                reply("hi", created_at=f"2025-01-0{index + 1}T00:00:00+00:00"), retries=index, latency_seconds=index
            )
            cache.put(request.key(), request, answered, rule=rule)
        first, second, third = (f"2025-01-0{day}T00:00:00+00:00" for day in (1, 2, 3))
        assert cache.stats() == [
            ModelCalls("echo", "model-a", 2, Usage(10, 2, 14, 4), second, third, retries=3, latency_seconds=1.5),
            ModelCalls("echo", "model-b", 1, Usage(5, 1, 7, 2), first, first),
        ]
        one = Usage(5, 1, 7, 2)
        assert cache.stats(by_rule=True) == [
            ModelCalls("echo", "model-a", 1, one, second, second, rule="a", retries=1, latency_seconds=1.0),
            ModelCalls("echo", "model-a", 1, one, third, third, rule="b", retries=2, latency_seconds=2.0),
            ModelCalls("echo", "model-b", 1, one, first, first, rule="a"),
        ]

    def test_endpoints_of_one_model_are_counted_apart(self, cache):
        for url in (None, "https://models.example/v1"):
            request = Request(ModelIdentity("openai", "gpt", base_url=url), (Message("user", "hello"),))
            cache.put(request.key(), request, reply("hi"))
        assert [(each.base_url, each.calls) for each in cache.stats()] == [(None, 1), ("https://models.example/v1", 1)]

    def test_an_empty_cache_has_no_stats(self, cache):
        assert cache.stats() == []

    def test_closing_twice_is_harmless(self, open_cache):
        cache = open_cache()
        cache.close()
        cache.close()
