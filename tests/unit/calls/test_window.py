import asyncio
import time

import pytest

from dreamsmk.calls import CachedModel, answer
from dreamsmk.errors import ProviderError, ServiceUnavailable
from tests.unit.calls.providers import IDENTITY, Service, request, requests, spec


def busy(seconds: float | None = 0.01) -> ServiceUnavailable:
    return ServiceUnavailable("busy", status=429, retry_after_seconds=seconds)


def test_the_window_is_filled_and_never_exceeded(cache):
    service = Service(spec(max_concurrency=8), seconds=lambda prompt: 0.02)
    list(answer(service, cache, requests(200)))
    assert service.most_in_flight == 8


def test_one_slow_reply_holds_nobody_up(cache):
    service = Service(spec(max_concurrency=4), seconds=lambda prompt: 0.8 if prompt == "prompt 0" else 0.01)
    start = time.monotonic()
    list(answer(service, cache, requests(150)))
    # 149 replies through three places take 0.5 s, beside the slow one and not after it.
    assert time.monotonic() - start < 1.2
    assert service.finished[-1] == "prompt 0"


def test_a_place_is_filled_again_at_once_and_not_with_the_next_batch(cache):
    service = Service(spec(max_concurrency=2), seconds=lambda prompt: 0.3 if prompt == "prompt 0" else 0.01)
    list(answer(service, cache, requests(10)))
    assert service.finished[-1] == "prompt 0"


def test_a_concurrency_of_one_asks_in_order(cache):
    service = Service(spec(max_concurrency=1))
    list(answer(service, cache, requests(50)))
    assert service.finished == [f"prompt {i}" for i in range(50)]


def test_what_failed_for_now_is_sent_again_until_it_is_answered(cache):
    service = Service(spec(max_retries=3), fails=lambda prompt, attempt: busy() if attempt <= 3 else None)
    assert len(list(answer(service, cache, requests(20)))) == 20
    assert set(service.attempts.values()) == {4}


def test_retry_after_is_never_undercut(cache):
    sent = []

    def fails(prompt, attempt):
        sent.append(time.monotonic())
        return busy(0.3) if attempt == 1 else None

    list(answer(Service(fails=fails), cache, requests(1)))
    assert 0.3 <= sent[1] - sent[0] < 0.6


def test_retries_end_and_the_other_rows_are_kept(cache):
    down = ServiceUnavailable("down", status=503, retry_after_seconds=0.01)
    service = Service(spec(max_retries=2), fails=lambda prompt, attempt: down if prompt == "prompt 1" else None)
    with pytest.raises(ServiceUnavailable, match="1 of 30 rows got no reply: down"):
        list(answer(service, cache, requests(30)))
    assert service.attempts["prompt 1"] == 3
    again = Service()
    list(answer(again, cache, requests(30)))
    assert list(again.attempts) == ["prompt 1"]


def test_failures_for_good_are_not_sent_again(cache):
    service = Service(fails=lambda prompt, attempt: ProviderError("no"))
    with pytest.raises(ProviderError, match="3 of 3 rows"):
        list(answer(service, cache, requests(3)))
    assert set(service.attempts.values()) == {1}


def test_a_reply_that_takes_too_long_is_asked_for_again(cache):
    service = Service(spec(timeout_seconds=0.1, max_retries=1), seconds=lambda prompt: 0.0)
    service.seconds = lambda prompt: 5.0 if service.attempts[prompt] == 1 else 0.0
    assert [reply.text for reply in answer(service, cache, [request("slow")])] == ["re: slow"]
    assert service.attempts["slow"] == 2


def test_a_reply_that_always_takes_too_long_says_how_long(cache):
    service = Service(spec(timeout_seconds=0.05, max_retries=0), seconds=lambda prompt: 5.0)
    with pytest.raises(ServiceUnavailable, match=r"no reply within 0\.05 s") as caught:
        list(answer(service, cache, requests(2)))
    assert "timeout_seconds" in str(caught.value)


def test_calls_of_one_provider_share_a_loop_over_many_runs(cache):
    loops = set()

    class Watching(Service):
        async def complete(self, request):
            loops.add(asyncio.get_running_loop())
            return await super().complete(request)

        async def close(self):
            loops.add(asyncio.get_running_loop())
            await super().close()

    model = CachedModel("teacher", spec(), IDENTITY, cache, provider_type=Watching)
    for round_ in range(3):
        list(model.answer([request(f"round {round_}")]))
    model.close()
    assert len(loops) == 1


def test_requests_that_come_just_as_the_window_empties_are_sent(cache):
    """The last worker ends in the same turn of the loop in which the next requests arrive."""
    service = Service(spec(max_concurrency=1))

    def source():
        for i in range(300):
            yield request(f"prompt {i}")
            if i % 64 == 63:
                deadline = time.monotonic() + 5
                while len(service.finished) <= i - 64 and time.monotonic() < deadline:
                    pass

    assert len(list(answer(service, cache, source()))) == 300


def test_a_window_that_ran_dry_is_filled_again():
    from dreamsmk.calls.background import background_loop
    from dreamsmk.calls.call import Call
    from dreamsmk.calls.window import ServiceWindow

    background = background_loop()
    window = ServiceWindow(Service(spec(max_concurrency=1)), lambda call: None)
    calls = [Call(f"key {i}", request(f"prompt {i}"), b"") for i in range(40)]

    async def accept_when_dry():
        for call in calls:
            window._accept([call])
            # Until the worker has ended, but not until the loop has told anybody.
            while not call.is_done:
                await asyncio.sleep(0)

    background.run(accept_when_dry())
    window.stop(1.0)
    assert all(call.is_done for call in calls)


def test_a_call_that_a_library_cancels_is_an_error_and_no_hang(cache):
    service = Service(fails=lambda prompt, attempt: asyncio.CancelledError() if prompt == "prompt 3" else None)
    with pytest.raises(RuntimeError, match="a call was cancelled"):
        list(answer(service, cache, requests(20)))
