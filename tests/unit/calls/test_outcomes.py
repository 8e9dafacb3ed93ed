import itertools

import pytest

from dreamsmk.calls import CachedModel, FailureTable, Tally, answer, outcomes
from dreamsmk.calls.failures import KEYS_REMEMBERED, FailedRow, Failures
from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.requests import Failure, Response
from tests.unit.calls.providers import IDENTITY, Local, Service, Told, request, requests, response, spec, text_of


@pytest.fixture(params=["service", "local"])
def provider(request):
    return Service() if request.param == "service" else Local()


def asked(provider):
    return provider.attempts if isinstance(provider, Service) else provider.generated


def failing(*prompts, error=RequestRejected):
    return lambda prompt, *attempt: error(f"no to {prompt}", status=400) if prompt in prompts else None


def shown(found):
    return [one.text if isinstance(one, Response) else one for one in found]


def test_rows_that_may_fail_come_out_as_failures_in_their_place(provider, cache):
    provider.fails = failing("prompt 3", "prompt 7")
    found = shown(outcomes(provider, cache, requests(10), max_failures=2))
    expected = [f"re: prompt {i}" for i in range(10)]
    expected[3] = Failure("rejected", "no to prompt 3", 400)
    expected[7] = Failure("rejected", "no to prompt 7", 400)
    assert found == expected


def test_one_failure_too_many_is_raised_after_all_others_were_kept(provider, cache):
    provider.fails = failing("prompt 3", "prompt 7")
    rows = []
    with pytest.raises(RequestRejected, match="2 of 200 rows got no reply: no to prompt 3; no to prompt 7") as caught:
        rows.extend(outcomes(provider, cache, requests(200), max_failures=1))
    assert len(rows) == 7
    assert isinstance(rows[3], Failure)
    assert "rows 3, 7 (from 0)" in str(caught.value)
    again = type(provider)()
    list(answer(again, cache, requests(200)))
    assert sorted(asked(again)) == ["prompt 3", "prompt 7"]


@pytest.mark.parametrize(("share", "failed", "is_raised"), [(0.29, 29, False), (0.29, 30, True), (0.05, 5, False)])
@pytest.mark.parametrize("total", [100, None])
def test_a_share_of_the_rows_may_fail(cache, share, failed, is_raised, total):
    service = Service(fails=failing(*(f"prompt {i}" for i in range(failed))))
    found = outcomes(service, cache, iter(requests(100)), max_failures=share, total=total)
    if is_raised:
        with pytest.raises(RequestRejected, match=f"{failed} of 100 rows"):
            list(found)
    else:
        assert sum(isinstance(one, Failure) for one in found) == failed


def test_what_every_request_would_get_stops_the_sending_whatever_may_fail(provider, cache):
    provider.fails = lambda prompt, *attempt: RequestRejected("no such model", status=404)
    with pytest.raises(RequestRejected, match="nothing more was sent"):
        list(outcomes(provider, cache, requests(5000), max_failures=0.99))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RequestRejected("no", status=400), "rejected"),
        (ServiceUnavailable("busy", status=503), "unavailable"),
        (ProviderError("what?"), "other"),
    ],
)
def test_a_failure_says_what_failed(cache, error, kind):
    service = Service(spec(max_retries=0), fails=lambda prompt, attempt: error)
    (one,) = outcomes(service, cache, requests(1), max_failures=1)
    assert (one.kind, one.status, one.response) == (kind, error.status, None)


def test_a_judge_looks_at_every_reply_those_from_the_cache_too(provider, cache):
    seen = []

    def judge(asked, reply, round_):
        seen.append((text_of(asked), reply.text, round_))
        return Failure("other", "odd", None, reply) if int(text_of(asked).split()[1]) % 2 else None

    for _ in range(2):
        seen.clear()
        found = list(outcomes(provider, cache, requests(100), judge=judge, max_failures=50))
        assert [isinstance(one, Failure) for one in found] == [i % 2 == 1 for i in range(100)]
        assert found[1].response.text == "re: prompt 1"
        assert sorted(seen) == sorted((f"prompt {i}", f"re: prompt {i}", 0) for i in range(100))
    assert set(asked(provider).values()) == {1}


def test_a_judge_goes_on_in_the_place_of_the_row(provider, cache):
    def judge(asked, reply, round_):
        number = int(text_of(asked).split()[1])
        return request(f"repair {number} {round_}") if number % 3 == 0 and round_ < 2 else None

    expected = [f"re: repair {i} 1" if i % 3 == 0 else f"re: prompt {i}" for i in range(300)]
    tally = Tally()
    assert shown(outcomes(provider, cache, requests(300), judge=judge, tally=tally)) == expected
    assert (tally.requests, tally.followups, tally.sent, tally.hits) == (500, 200, 500, 0)
    again = Tally()
    never = iter(())
    assert shown(outcomes(lambda: next(never), cache, requests(300), judge=judge, tally=again)) == expected
    assert (again.requests, again.sent, again.hits) == (500, 0, 500)


def test_rows_with_one_request_are_each_judged(provider, cache):
    def judge(asked, reply, round_):
        return request("repair") if round_ == 0 else None

    rows = [request("same")] * 5
    assert shown(outcomes(provider, cache, rows, judge=judge)) == ["re: repair"] * 5
    assert dict(asked(provider)) == {"same": 1, "repair": 1}


def test_a_repair_waits_for_nobody(cache):
    service = Service(spec(max_concurrency=4), seconds=lambda prompt: 0.5 if prompt == "prompt 0" else 0.0)

    def judge(asked, reply, round_):
        return request(f"repair {text_of(asked)}") if text_of(asked) == "prompt 1" else None

    list(outcomes(service, cache, requests(20), judge=judge))
    assert service.finished.index("repair prompt 1") < service.finished.index("prompt 0")


def test_a_repair_that_fails_fails_the_row(provider, cache):
    provider.fails = failing("repair")

    def judge(asked, reply, round_):
        return request("repair") if text_of(asked) == "prompt 2" else None

    found = shown(outcomes(provider, cache, requests(5), judge=judge, max_failures=1))
    assert found[2] == Failure("rejected", "no to repair", 400)


def test_an_error_of_a_judge_is_passed_on(provider, cache):
    def judge(asked, reply, round_):
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(outcomes(provider, cache, requests(5), judge=judge))


def test_judged_failures_alone_are_raised_with_their_reasons(cache):
    def judge(asked, reply, round_):
        return Failure("refusal", f"refused {text_of(asked)}", None, reply)

    with pytest.raises(ProviderError, match="4 of 4 rows got no reply: refused prompt 0; refused"):
        list(outcomes(Service(), cache, requests(4), judge=judge, max_failures=1))


def test_failures_are_tallied_by_kind_and_told(cache):
    def judge(asked, reply, round_):
        return Failure("length", "cut", None, reply) if text_of(asked) == "prompt 1" else None

    told, tally = Told(), Tally()
    service = Service(fails=failing("prompt 2", "prompt 3"))
    list(outcomes(service, cache, requests(10), judge=judge, max_failures=3, tally=tally, progress=told))
    counts = tally.to_json()
    assert counts["failed"] == 3
    assert counts["failures"] == {"length": 1, "rejected": 2}
    assert told.updates[-1][2]["failed"] == 3
    assert told.updates[-1][0] == 10


def test_refusals_empty_and_truncated_replies_are_counted_cached_or_not(cache):
    import dataclasses

    class Odd(Service):
        async def complete(self, asked):
            reply = await super().complete(asked)
            odd = {
                "prompt 1": {"text": ""},
                "prompt 2": {"finish_reason": "length"},
                "prompt 3": {"refusal": "I cannot", "text": ""},
                "prompt 4": {"text": "", "embedding": "AAAA"},
            }
            return dataclasses.replace(reply, **odd.get(text_of(asked), {}))

    for _ in range(2):
        tally = Tally()
        list(outcomes(Odd(), cache, requests(6), tally=tally))
        counts = tally.to_json()
        assert (counts["empty"], counts["truncated"], counts["refusals"]) == (1, 1, 1)


def test_a_reply_says_how_often_it_had_to_be_asked_for(cache):
    def fails(prompt, attempt):
        return ServiceUnavailable("busy", retry_after_seconds=0.01) if attempt < 3 and prompt == "prompt 1" else None

    first = [one.retries for one in outcomes(Service(fails=fails), cache, requests(3))]
    assert first == [0, 2, 0]
    assert [one.retries for one in outcomes(Service(), cache, requests(3))] == first


def test_very_many_failures_leave_little_behind():
    failures = Failures(1.0e9)
    for number in range(KEYS_REMEMBERED + 500):
        error = RequestRejected(f"no {number}")
        failures.add(FailedRow(number, request("x"), f"key {number}", Failure("rejected", error.what), 1), error)
    assert failures.of("key 0") is None
    assert failures.of(f"key {KEYS_REMEMBERED + 499}") is not None
    assert len(failures._reasons) == 4


def read(path):
    from dreamsmk.tables import read_table

    return read_table(path).to_dicts()


def model_of(cache, table, **values):
    class Failing(Service):
        def __init__(self, model_spec):
            super().__init__(model_spec, **values)

    return CachedModel("teacher", spec(), IDENTITY, cache, failures=table, provider_type=Failing)


def test_failed_rows_stand_in_the_failure_table(cache, tmp_path):
    path = tmp_path / "log" / "failures.parquet"

    def judge(asked, reply, round_):
        return Failure("length", "cut", None, reply) if text_of(asked) == "prompt 2" else None

    with FailureTable(path) as table:
        model = model_of(cache, table, fails=failing("prompt 4"))
        with pytest.raises(ProviderError, match="2 of 6 rows"):
            list(model.outcomes(requests(6), judge=judge))
        model.close()
    rows = sorted(read(path), key=lambda row: row["row"])
    assert [row["row"] for row in rows] == [2, 4]
    assert {row["alias"] for row in rows} == {"teacher"}
    assert [row["kind"] for row in rows] == ["length", "rejected"]
    assert [row["status"] for row in rows] == [None, 400]
    assert [row["text"] for row in rows] == ["re: prompt 2", None]
    assert [row["key"] for row in rows] == [request("prompt 2").key(), request("prompt 4").key()]
    assert [row["reason"] for row in rows] == ["cut", "no to prompt 4"]
    assert '"finish_reason": "stop"' in rows[0]["reply"]
    assert '"content":"prompt 4"' in rows[1]["request"]
    assert [row["attempts"] for row in rows] == [1, 1]


def test_the_failure_table_is_of_the_last_run(cache, tmp_path):
    path = tmp_path / "failures.parquet"
    for prompt in ("prompt 1", "prompt 2"):
        with FailureTable(path) as table:
            model = model_of(cache, table, fails=failing(prompt))
            list(model.outcomes([request(prompt), request("good")], max_failures=1))
            model.close()
        assert [prompt in row["request"] for row in read(path)] == [True]
    with FailureTable(path) as table:
        model = model_of(cache, table)
        list(model.answer(requests(3)))
        model.close()
    assert list(tmp_path.glob("*failures*")) == []


def test_many_failures_are_written_in_bounded_groups(cache, tmp_path):
    with FailureTable(tmp_path / "failures.parquet") as table:
        model = model_of(cache, table, fails=lambda prompt, attempt: RequestRejected("no"))
        found = model.outcomes(requests(1000), max_failures=1000)
        for _ in itertools.islice(found, 1000):
            assert len(table._held) < 256
        list(found)
        model.close()
    assert table.rows == 1000
    assert sorted(row["row"] for row in read(table.path)) == list(range(1000))


def test_a_reply_that_nobody_judges_is_a_reply():
    assert response("x").retries == 0
