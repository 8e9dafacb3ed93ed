import itertools

import pytest

from dreamsmk.calls import Tally, answer
from dreamsmk.errors import IdentityError, MissingCredentials, ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.requests import Message, ModelIdentity, Request, Sampling
from tests.unit.calls.providers import Local, Service, Told, request, requests, response, spec, text_of


def texts(replies):
    return [reply.text for reply in replies]


def never():
    raise AssertionError("the provider was opened")


@pytest.fixture(params=["service", "local"])
def provider(request):
    return Service() if request.param == "service" else Local()


def asked(provider):
    return provider.attempts if isinstance(provider, Service) else provider.generated


def test_replies_come_in_the_order_of_the_requests(provider, cache):
    provider.seconds = lambda prompt: 0.02 if prompt.endswith(("0", "3")) else 0.0
    assert texts(answer(provider, cache, requests(300))) == [f"re: prompt {i}" for i in range(300)]


def test_no_requests_need_no_provider(cache):
    assert list(answer(never, cache, [])) == []


def test_a_run_of_hits_alone_never_opens_the_provider(provider, cache):
    first = list(answer(provider, cache, requests(100)))
    assert list(answer(never, cache, requests(100))) == first


def test_the_provider_is_opened_at_the_first_miss_and_once(cache):
    opened = []

    def open_service():
        opened.append(Service())
        return opened[-1]

    replies = answer(open_service, cache, requests(3000))
    assert opened == []
    assert len(list(replies)) == 3000
    assert len(opened) == 1


def test_only_what_is_missing_is_sent(provider, cache):
    list(answer(type(provider)(), cache, requests(90)))
    assert len(list(answer(provider, cache, requests(100)))) == 100
    assert sorted(asked(provider)) == [f"prompt {i}" for i in range(90, 100)]


def test_identical_requests_are_sent_once_near_and_far(provider, cache):
    provider.seconds = lambda prompt: 0.01
    many = [request(f"prompt {i % 50}") for i in range(5000)]
    assert texts(answer(provider, cache, many)) == [f"re: prompt {i % 50}" for i in range(5000)]
    assert set(asked(provider).values()) == {1}
    assert len(asked(provider)) == 50


def test_samples_of_one_request_are_sent_each(provider, cache):
    tally = Tally()
    many = [request("prompt", sample=i) for i in range(7)]
    assert len(list(answer(provider, cache, many, tally=tally))) == 7
    assert tally.sent == 7


def test_what_is_read_ahead_is_bounded(provider, cache):
    read = 0

    def source():
        nonlocal read
        for i in range(100_000):
            read += 1
            yield request(f"prompt {i % 700}")

    furthest = 0
    for passed, _ in enumerate(answer(provider, cache, source(), total=100_000), start=1):
        furthest = max(furthest, read - passed)
    assert passed == 100_000
    assert furthest <= 8192 + 1024


def test_what_is_read_ahead_of_a_stuck_row_is_bounded(cache):
    read = 0

    def source():
        nonlocal read
        for i in range(20_000):
            read += 1
            yield request("stuck" if i == 0 else f"prompt {i % 100}")

    service = Service(seconds=lambda prompt: 1.0 if prompt == "stuck" else 0.0)
    replies = answer(service, cache, source())
    assert next(replies).text == "re: stuck"
    assert read <= 8192 + 1024
    assert sum(1 for _ in replies) == 19_999


def test_requests_that_are_slow_to_come_are_sent_as_they_come(cache):
    def source():
        for i in itertools.count():
            if i == 3:
                assert service.finished, "the first requests were held back"
                return
            service_pause.wait(0.1)
            yield request(f"prompt {i}")

    import threading

    service_pause = threading.Event()
    service = Service()
    assert len(list(answer(service, cache, source()))) == 3


def test_an_error_of_the_source_is_passed_on_and_replies_in_flight_are_kept(cache):
    def source():
        yield from requests(5)
        raise LookupError("the table ends here")

    service = Service(seconds=lambda prompt: 0.2)
    with pytest.raises(LookupError, match="ends here"):
        list(answer(service, cache, itertools.chain(source())))
    # The five were read together with the error, before anything was sent.
    assert service.in_flight == 0


def test_a_caller_that_stops_asking_loses_no_reply_in_flight(cache):
    service = Service(seconds=lambda prompt: 0.0 if prompt == "prompt 0" else 0.3)
    replies = answer(service, cache, requests(1000))
    next(replies)
    replies.close()
    started = set(service.attempts)
    assert 8 <= len(started) <= 16
    again = Service()
    assert len(list(answer(again, cache, requests(1000)))) == 1000
    assert not started & set(again.attempts)


def test_other_rows_are_finished_and_kept_when_one_fails(provider, cache):
    provider.fails = lambda prompt, *attempt: RequestRejected("too long") if prompt == "prompt 3" else None
    replies = answer(provider, cache, requests(200))
    assert texts(itertools.islice(replies, 3)) == ["re: prompt 0", "re: prompt 1", "re: prompt 2"]
    with pytest.raises(RequestRejected) as caught:
        next(replies)
    assert "1 of 200 rows got no reply: too long" in str(caught.value)
    assert "row 3 (from 0)" in str(caught.value)
    again = type(provider)()
    assert len(list(answer(again, cache, requests(200)))) == 200
    assert list(asked(again)) == ["prompt 3"]


def test_no_reply_is_given_in_the_place_of_a_failed_row(provider, cache):
    provider.fails = lambda prompt, *attempt: RequestRejected("no") if prompt == "prompt 3" else None
    replies = answer(provider, cache, requests(10))
    rows: list[str] = []
    with pytest.raises(ProviderError):
        rows.extend(reply.text for reply in replies)
    assert rows == ["re: prompt 0", "re: prompt 1", "re: prompt 2"]


def test_a_failed_request_is_not_sent_again_in_the_same_run(provider, cache):
    provider.fails = lambda prompt, *attempt: RequestRejected("no") if prompt == "bad" else None
    many = [request("bad"), *requests(3000), request("bad")]
    tally = Tally()
    with pytest.raises(RequestRejected, match="2 of 3002 rows"):
        list(answer(provider, cache, many, tally=tally))
    assert tally.failed == 2
    assert tally.sent == 3001


def test_failures_are_told_in_three_lines_with_three_reasons(cache):
    service = Service(fails=lambda prompt, attempt: RequestRejected(f"bad value\nin {prompt}", hint="a\nb"))
    with pytest.raises(RequestRejected) as caught:
        list(answer(service, cache, requests(20)))
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("20 of 20 rows got no reply: bad value in prompt")
    assert lines[0].count("bad value") == 3
    assert lines[1] == "at: rows 0, 1, 2, … (from 0)"


@pytest.mark.parametrize(
    "error",
    [MissingCredentials("no key"), *(RequestRejected("refused", status=status) for status in (401, 403, 404))],
    ids=lambda error: f"{type(error).__name__}-{error.status}",
)
def test_what_every_request_would_get_stops_the_sending(provider, cache, error):
    provider.fails = lambda prompt, *attempt: error
    with pytest.raises(type(error), match="nothing more was sent") as caught:
        list(answer(provider, cache, requests(5000)))
    assert caught.value.status == error.status
    if isinstance(provider, Service):
        assert sum(provider.attempts.values()) <= 8
    else:
        assert len(provider.chunks) == 1


def test_replies_in_flight_are_kept_when_the_sending_stops(cache):
    def fails(prompt, attempt):
        return RequestRejected("no such model", status=404) if prompt == "prompt 5" else None

    service = Service(seconds=lambda prompt: 0.0 if prompt == "prompt 5" else 0.2, fails=fails)
    with pytest.raises(RequestRejected, match="7 of"):
        list(answer(service, cache, requests(100)))
    again = Service()
    list(answer(again, cache, requests(8)))
    assert list(again.attempts) == ["prompt 5"]


def test_an_error_that_is_not_the_providers_is_passed_on_as_it_is(provider, cache):
    provider.fails = lambda prompt, *attempt: ZeroDivisionError("a bug") if prompt == "prompt 50" else None
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(answer(provider, cache, requests(100)))


def test_a_request_without_a_canonical_form_is_an_error(cache):
    bad = Request(ModelIdentity("echo", "m"), (Message("user", "half a pair \ud83e"),))
    with pytest.raises(IdentityError):
        list(answer(never, cache, [bad]))


def test_what_is_no_provider_is_refused(cache):
    with pytest.raises(TypeError, match="neither"):
        list(answer(object, cache, requests(1)))


def test_progress_is_told_of_done_total_hits_sent_and_tokens(provider, cache):
    list(answer(type(provider)(), cache, requests(40)))
    told = Told()
    list(answer(provider, cache, requests(100), progress=told))
    dones = [done for done, _, _ in told.updates]
    assert dones == sorted(dones)
    assert told.updates[-1] == (100, 100, {"hits": 40, "sent": 60, "tokens": 300})


def test_the_total_may_be_given(cache):
    told = Told()
    list(answer(Service(), cache, iter(requests(5)), total=5, progress=told))
    assert told.updates[-1][:2] == (5, 5)


def test_the_tally_tells_hits_from_what_was_paid_for(provider, cache):
    list(answer(type(provider)(), cache, requests(40)))
    tally = Tally()
    list(answer(provider, cache, [*requests(50), request("prompt 45")], tally=tally))
    counts = tally.to_json()
    assert counts["requests"] == 51
    assert counts["hits"] == 41
    assert counts["sent"] == 10
    assert counts["retries"] == 0
    assert counts["failed"] == 0
    assert counts["usage"] == {
        "input_tokens": 153,
        "cached_input_tokens": 0,
        "output_tokens": 102,
        "reasoning_tokens": 0,
    }
    assert counts["sent_usage"]["input_tokens"] == 30
    assert counts["reported"] == {"test-model-1": 51}
    assert counts["finish_reasons"] == {"stop": 51}
    assert counts["latency_seconds"] == pytest.approx(0.25)


def test_what_a_target_took_is_tallied_alike_whether_run_in_one_go_or_not(cache, tmp_path):
    whole, rest = Tally(), Tally()
    list(answer(Service(), cache, requests(20), tally=whole))
    list(answer(never, cache, requests(20), tally=rest))
    same = ("requests", "usage", "reported", "finish_reasons", "latency_seconds")
    assert {name: whole.to_json()[name] for name in same} == {name: rest.to_json()[name] for name in same}


def test_retries_are_tallied(cache):
    def fails(prompt, attempt):
        return ServiceUnavailable("busy", retry_after_seconds=0.01) if attempt < 3 else None

    tally = Tally()
    list(answer(Service(fails=fails), cache, requests(10), tally=tally))
    assert (tally.sent, tally.retries) == (10, 20)


def test_the_rule_is_kept_with_the_reply(cache, tmp_path):
    import sqlite3

    list(answer(Service(), cache, requests(3), rule="abstracts"))
    database = sqlite3.connect(tmp_path / "calls.db")
    rows = database.execute("SELECT DISTINCT rule, provider, model FROM calls").fetchall()
    database.close()
    assert rows == [("abstracts", "echo", "test-model")]


def test_no_key_of_the_environment_reaches_the_cache(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_API_KEY", "sk-very-secret")
    service = Service(spec(api_key_env="TEST_API_KEY"))
    list(answer(service, cache, requests(3)))
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"re: prompt 1" in content
    assert b"sk-very-secret" not in content
    assert b"TEST_API_KEY" not in content


def test_two_runs_may_be_read_in_turns(cache):
    one = answer(Service(), cache, requests(2000))
    other = answer(Local(), cache, [request(f"other {i}") for i in range(2000)])
    pairs = list(zip(one, other, strict=True))
    assert [(a.text, b.text) for a, b in pairs] == [(f"re: prompt {i}", f"re: other {i}") for i in range(2000)]


def test_one_run_may_feed_another(cache):
    first = Service()
    drafts = answer(first, cache, requests(500))
    second = answer(Service(), cache, (request(reply.text) for reply in drafts))
    assert texts(second) == [f"re: re: prompt {i}" for i in range(500)]


def test_sampling_values_are_part_of_what_is_asked(cache):
    list(answer(Service(), cache, [request("a", sampling=Sampling(temperature=0.1))]))
    again = Service()
    list(answer(again, cache, [request("a", sampling=Sampling(temperature=0.2))]))
    assert text_of(request("a")) in again.attempts
    assert response("x").text == "x"
