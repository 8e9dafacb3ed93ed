"""The whole window slows down when the service says so, and comes back."""

import asyncio
import time

import pytest

from dreamsmk.calls import answer, outcomes
from dreamsmk.calls.background import background_loop
from dreamsmk.calls.bounds.limits import Limits
from dreamsmk.calls.call import Call
from dreamsmk.calls.carriers import Terms
from dreamsmk.calls.gate import Gate
from dreamsmk.calls.retry import RetryPolicy
from dreamsmk.calls.window import ServiceWindow
from dreamsmk.errors import RequestRejected, ServiceUnavailable
from dreamsmk.requests import Failure
from tests.unit.calls.providers import Service, request, requests, spec


def busy(seconds: float | None = 0.01) -> ServiceUnavailable:
    return ServiceUnavailable("busy", status=429, retry_after_seconds=seconds)


def test_one_burst_cuts_the_window_once_and_replies_restore_it():
    async def play():
        loop = asyncio.get_running_loop()
        gate = Gate(16)
        sent_at = loop.time()
        for _ in range(5):
            gate.slow_down(sent_at)
        assert gate.limit == 8
        gate.slow_down(loop.time() + 0.001)
        assert gate.limit == 4
        restored = []
        for _ in range(200):
            gate.succeed()
            restored.append(gate.limit)
        assert restored == sorted(restored)
        # By an eighth of the window a window's worth of replies: slowly.
        assert restored[3] <= 6
        assert restored[-1] == 16

    asyncio.run(play())


def test_a_gate_lets_in_as_many_as_its_limit_and_wakes_the_others_in_turn():
    async def play():
        gate, order = Gate(2), []

        async def pass_through(number):
            assert await gate.enter()
            order.append(number)
            await asyncio.sleep(0.01)
            gate.leave()

        await asyncio.gather(*(pass_through(number) for number in range(10)))
        assert order == list(range(10))

    asyncio.run(play())


def test_nothing_passes_while_a_gate_cools_down_and_a_closed_one_lets_nobody_wait():
    async def play():
        gate, loop = Gate(4), asyncio.get_running_loop()
        started = loop.time()
        gate.cool_down(0.2)
        gate.cool_down(0.05)
        assert await gate.enter()
        assert loop.time() - started >= 0.19
        gate.cool_down(60.0)
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0.01)
        gate.close()
        assert not await waiting

    asyncio.run(play())


def test_a_429_holds_back_all_rows_as_long_as_the_service_asks(cache):
    sent: list[float] = []
    refused: list[float] = []

    def fails(prompt, attempt):
        if prompt == "prompt 20" and attempt == 1:
            refused.append(time.monotonic())
            return busy(0.4)
        return None

    def seconds(prompt):
        sent.append(time.monotonic())
        return 0.01

    list(answer(Service(spec(max_concurrency=4), fails=fails, seconds=seconds), cache, requests(100)))
    assert not [moment for moment in sent if refused[0] + 0.01 < moment < refused[0] + 0.4]
    assert len([moment for moment in sent if moment >= refused[0] + 0.4]) > 70


def test_a_storm_of_429_costs_a_call_each_and_loses_no_row(cache):
    left = [80]

    def fails(prompt, attempt):
        if left[0] > 0:
            left[0] -= 1
            return busy(0.005)
        return None

    service = Service(spec(max_concurrency=16, max_retries=1), fails=fails)
    assert len(list(answer(service, cache, requests(60)))) == 60
    assert sum(service.attempts.values()) == 60 + 80


def test_many_429_do_not_use_up_the_retries_and_come_to_an_end(cache):
    service = Service(spec(max_retries=2), fails=lambda prompt, attempt: busy(0.0) if attempt <= 2 + 1 else None)
    assert len(list(answer(service, cache, requests(3)))) == 3
    window = ServiceWindow(
        Service(spec(max_retries=0), fails=lambda prompt, attempt: busy(0.01)),
        lambda call: None,
        RetryPolicy(0, base_seconds=0.01, patience_seconds=0.2),
    )
    call = Call("key", request("never"), b"")
    window.submit([call])
    (done,) = window.collect(wait_seconds=10.0)
    assert done.error is not None
    assert done.error.status == 429
    window.stop(1.0)


def test_calls_that_wait_for_their_next_try_leave_their_place_to_others(cache):
    def fails(prompt, attempt):
        is_bad = int(prompt.split()[1]) < 4
        return ServiceUnavailable("down", status=500, retry_after_seconds=0.5) if is_bad and attempt == 1 else None

    service = Service(spec(max_concurrency=4), fails=fails, seconds=lambda prompt: 0.01)
    list(answer(service, cache, requests(60)))
    assert set(service.finished[-4:]) == {f"prompt {i}" for i in range(4)}
    assert service.most_in_flight <= 4


def test_waits_end_when_nothing_more_is_to_be_sent(cache):
    def fails(prompt, attempt):
        if prompt == "prompt 0":
            return busy(30.0)
        return RequestRejected("no such model", status=404) if prompt == "prompt 7" else None

    service = Service(spec(max_concurrency=8), fails=fails, seconds=lambda p: 0.0 if p == "prompt 0" else 0.1)
    started = time.monotonic()
    with pytest.raises(RequestRejected, match="no such model"):
        list(answer(service, cache, requests(50)))
    assert time.monotonic() - started < 5


class Grouping(Service):
    """Answers several requests as one; `spoils` names the prompts that spoil their group."""

    groups: list[int]
    spoils: frozenset[str] = frozenset()

    @property
    def rows_at_once(self):
        return 10

    async def complete_many(self, requests_):
        self.__dict__.setdefault("groups", []).append(len(requests_))
        for one in requests_:
            if one.messages[0].content in self.spoils:
                raise RequestRejected("one is too long", status=400)
        return [await self.complete(one) for one in requests_]


def vectors(count):
    import dataclasses

    return [dataclasses.replace(one, wanted="embedding") for one in requests(count)]


def test_calls_that_can_go_as_one_are_sent_in_groups(cache):
    service = Grouping(spec(max_concurrency=2))
    assert [one.text for one in answer(service, cache, vectors(100))] == [f"re: prompt {i}" for i in range(100)]
    assert service.groups == [10] * 6 + [4] + [10] * 3 + [6] or sum(service.groups) >= 96
    assert set(service.attempts.values()) == {1}


def test_texts_are_never_sent_in_groups(cache):
    service = Grouping(spec(max_concurrency=4))
    list(answer(service, cache, requests(40)))
    assert "groups" not in service.__dict__


class GroupingTexts(Grouping):
    """Answers several requests for a text as one."""

    @property
    def texts_at_once(self):
        return 10


def test_texts_are_sent_in_groups_where_the_provider_takes_them_so(cache):
    service = GroupingTexts(spec(max_concurrency=2))
    assert [one.text for one in answer(service, cache, requests(100))] == [f"re: prompt {i}" for i in range(100)]
    assert max(service.groups) == 10
    assert set(service.attempts.values()) == {1}


def test_a_text_that_spoils_its_group_fails_alone(cache):
    service = GroupingTexts(spec(max_concurrency=1))
    service.spoils = frozenset({"prompt 3"})
    service.fails = lambda prompt, attempt: RequestRejected("too long", status=400) if prompt == "prompt 3" else None
    found = list(outcomes(service, cache, requests(10), max_failures=1))
    assert [number for number, one in enumerate(found) if isinstance(one, Failure)] == [3]


def test_texts_are_sent_one_by_one_where_rates_are_held(cache):
    service = GroupingTexts(spec(requests_per_minute=60_000))
    list(outcomes(service, cache, requests(40), terms=Terms(Limits.of(service.spec))))
    assert "groups" not in service.__dict__


def test_a_group_that_is_rejected_is_tried_again_one_by_one(cache):
    service = Grouping(spec(max_concurrency=1))
    service.spoils = frozenset({"prompt 3"})
    service.fails = lambda prompt, attempt: RequestRejected("too long", status=400) if prompt == "prompt 3" else None
    found = list(outcomes(service, cache, vectors(10), max_failures=1))
    assert isinstance(found[3], Failure)
    assert sum(isinstance(one, Failure) for one in found) == 1
    assert service.groups == [10]


def test_a_group_that_fails_for_now_is_sent_again_as_one(cache):
    service = Grouping(spec(max_concurrency=1))
    failures = [ServiceUnavailable("down", status=503, retry_after_seconds=0.01)]
    service.fails = lambda prompt, attempt: failures.pop() if failures else None
    found = list(answer(service, cache, vectors(10)))
    assert [one.text for one in found] == [f"re: prompt {i}" for i in range(10)]
    assert {one.retries for one in found} == {1}
    assert service.groups == [10, 10]


def test_the_loop_of_the_process_goes_on():
    assert not background_loop().is_current()
