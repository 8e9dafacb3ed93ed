from __future__ import annotations

import asyncio
import time

import pytest

from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable, SettingsError
from dreamsmk.providers import Provider, open_provider
from dreamsmk.providers.anthropic import AnthropicProvider
from dreamsmk.providers.endpoints import Endpoints
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.requests import Response
from dreamsmk.settings import ModelSpec
from tests.wire import WireServer
from tests.wire.asking import make_request


def spec_of(*servers: str, **values) -> ModelSpec:
    return ModelSpec(
        provider="openai", model="m", base_url=servers[0], replicas=servers[1:], timeout_seconds=5, **values
    )


def outcomes(provider: Provider, count: int, *, at_once: int = 8) -> list[Response | ProviderError]:
    """Returns what each of many requests came to, a few in flight at a time, each sent once."""

    async def all_of_them() -> list[Response | ProviderError]:
        gate = asyncio.Semaphore(at_once)

        async def one(number: int) -> Response | ProviderError:
            async with gate:
                try:
                    return await provider.complete(make_request(provider.spec, f"number {number}"))
                except ProviderError as error:
                    return error

        try:
            return await asyncio.gather(*map(one, range(count)))
        finally:
            await provider.close()

    return asyncio.run(all_of_them())


def test_the_load_is_shared_by_what_is_in_flight(keys: str) -> None:
    with WireServer() as fast, WireServer() as slow:
        fast.latency_seconds, slow.latency_seconds = 0.005, 0.1
        replies = outcomes(open_provider(spec_of(slow.openai_url, fast.openai_url)), 60)
        assert all(isinstance(reply, Response) for reply in replies)
        assert fast.count + slow.count == 60
        assert fast.count > 2 * slow.count > 0


def test_an_endpoint_that_cannot_be_reached_rests_while_the_others_take_over(keys: str) -> None:
    with WireServer() as server:
        found = outcomes(open_provider(spec_of("http://127.0.0.1:9/v1", server.openai_url)), 60)
        failed = [each for each in found if isinstance(each, ServiceUnavailable)]
        assert 1 <= len(failed) <= 8
        assert server.count == 60 - len(failed)


def test_an_endpoint_that_answers_500_rests_and_one_that_answers_400_does_not(keys: str) -> None:
    with WireServer() as good, WireServer() as bad:
        bad.fail(status=503)
        outcomes(open_provider(spec_of(bad.openai_url, good.openai_url)), 40)
        assert bad.count <= 8
        bad.clear()
        good.clear()
        bad.fail(status=400)
        provider = open_provider(spec_of(bad.openai_url, good.openai_url))
        found = outcomes(provider, 40)
        assert {type(each) for each in found if not isinstance(each, Response)} == {RequestRejected}
        assert [endpoint.failures for endpoint in provider._endpoints.all] == [0, 0]


def test_a_rested_endpoint_is_tried_out_with_one_request_before_it_shares_the_load_again(keys: str) -> None:
    endpoints = Endpoints(["a", "b"])
    first = endpoints.all[0]
    with pytest.raises(ServiceUnavailable), endpoints.one():
        raise ServiceUnavailable("down")
    assert first.rests_until > time.monotonic()
    with endpoints.one() as one, endpoints.one() as two:
        assert (one, two) == ("b", "b")
    first.rests_until = 0.0
    with endpoints.one() as trial, endpoints.one() as other, endpoints.one() as another:
        assert (trial, other, another) == ("a", "b", "b")
    assert first.failures == 0
    with endpoints.one() as one, endpoints.one() as two:
        assert {one, two} == {"a", "b"}


def test_each_failure_after_a_rest_makes_the_next_rest_longer_and_failures_at_once_count_as_one() -> None:
    endpoints = Endpoints(["a", "b"])
    first = endpoints.all[0]
    rests = []
    for _ in range(3):
        first.rests_until = 0.0
        first.in_flight, endpoints.all[1].in_flight = 0, 1
        with pytest.raises(ServiceUnavailable), endpoints.one():
            raise ServiceUnavailable("down")
        rests.append(first.rests_until - time.monotonic())
    assert rests[0] < rests[1] < rests[2]
    assert first.failures == 3


def test_where_all_rest_the_first_to_wake_is_asked() -> None:
    endpoints = Endpoints(["a", "b"])
    for endpoint, until in zip(endpoints.all, (1e12, 1e11), strict=True):
        endpoint.failures, endpoint.rests_until = 1, until
    with endpoints.one() as url:
        assert url == "b"


def test_an_endpoint_that_hangs_until_the_engine_gives_up_rests(keys: str) -> None:
    with WireServer() as server:
        server.fail("hang")
        provider = open_provider(spec_of(server.openai_url, "http://127.0.0.1:9/v1"))

        async def given_up() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await provider.complete(make_request(provider.spec))
            await provider.close()

        asyncio.run(given_up())
        assert provider._endpoints.all[0].failures == 1


def test_replicas_are_no_part_of_what_is_sent_and_need_an_endpoint_beside_them(keys: str) -> None:
    with pytest.raises(SettingsError, match="base_url"):
        OpenAIProvider.check(ModelSpec(provider="openai", model="m", replicas=("http://127.0.0.1:9/v1",)))
    with pytest.raises(SettingsError, match="user name or password"):
        OpenAIProvider.check(spec_of("http://127.0.0.1:9/v1", "http://me:secret@127.0.0.1:8/v1"))
    AnthropicProvider.check(
        ModelSpec(provider="anthropic", model="m", base_url="http://127.0.0.1:9", replicas=("http://127.0.0.1:8",))
    )
