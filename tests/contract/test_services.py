"""What every service provider keeps: one request is one call, and every failure has its kind."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import traceback
from collections.abc import Iterator

import pytest

from dreamsmk.errors import DreamsmkError, ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.providers import ServiceProvider, open_provider
from tests.contract.cases import Case
from tests.wire.asking import KEY, ask, make_request

PROMPTS = ["the of and", "it is", "they were all there", "so be it"]


def chained(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an exception and all those that it came from, shown or not."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class TestEveryService:
    def test_one_request_is_one_call(self, service: Case) -> None:
        ask(service.open(), *(make_request(service.spec, prompt) for prompt in PROMPTS))
        assert service.server.count == len(PROMPTS)

    def test_system_prompt_and_sampling_values_stand_in_the_body(self, service: Case) -> None:
        ask(service.open(), make_request(service.spec, system="Be brief.", temperature=0.25, top_p=0.75))
        body = service.server.last.body
        assert {"temperature": 0.25, "top_p": 0.75, "model": "a-model"}.items() <= body.items()
        assert "Be brief." in str(body)

    def test_execution_settings_stand_nowhere_in_the_body(self, service: Case) -> None:
        spec = dataclasses.replace(service.spec, max_concurrency=3, max_retries=1, batch_size=2, timeout_seconds=4)
        ask(open_provider(spec), make_request(spec))
        changed = service.server.last.body
        ask(service.open(), make_request(service.spec))
        assert service.server.last.body == changed

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, RequestRejected),
            (401, RequestRejected),
            (403, RequestRejected),
            (404, RequestRejected),
            (422, RequestRejected),
            (408, ServiceUnavailable),
            (429, ServiceUnavailable),
            (500, ServiceUnavailable),
            (503, ServiceUnavailable),
            (529, ServiceUnavailable),
        ],
    )
    def test_a_status_becomes_its_exception_after_one_call(
        self, service: Case, status: int, kind: type[ProviderError]
    ) -> None:
        service.server.fail(status=status, message="words of the service")
        with pytest.raises(kind, match="words of the service") as caught:
            ask(service.open(), make_request(service.spec))
        assert caught.value.status == status
        assert service.server.count == 1

    def test_the_time_to_wait_is_handed_on(self, service: Case) -> None:
        service.server.fail(status=429, retry_after="1.5")
        with pytest.raises(ServiceUnavailable) as caught:
            ask(service.open(), make_request(service.spec))
        assert caught.value.retry_after_seconds == 1.5

    @pytest.mark.parametrize("kind", ["reset", "garbage", "html", "empty", "half"])
    def test_what_is_no_reply_is_unavailable(self, service: Case, kind: str) -> None:
        if service.name == "litellm" and kind == "empty":
            pytest.skip("LiteLLM turns it into a 422 of its own making")
        service.server.fail(kind)
        with pytest.raises(ServiceUnavailable):
            ask(service.open(), make_request(service.spec))

    def test_a_reply_that_takes_too_long_is_unavailable(self, service: Case) -> None:
        service.server.fail("slow", seconds=3)
        with pytest.raises(ServiceUnavailable, match="in time"):
            ask(service.open(timeout_seconds=0.2), make_request(service.spec))

    def test_a_reply_under_a_wrong_content_type_is_still_the_reply(self, service: Case) -> None:
        service.server.fail("mistyped", times=1)
        first, second = (ask(service.open(), make_request(service.spec))[0] for _ in range(2))
        assert first.text == second.text

    def test_a_server_that_hangs_is_given_up(self, service: Case) -> None:
        service.server.fail("hang", times=1)
        with pytest.raises(ServiceUnavailable, match="in time"):
            ask(service.open(timeout_seconds=0.2), make_request(service.spec))

    def test_a_server_that_died_answers_again_when_it_is_back(self, service: Case) -> None:
        service.server.die(0.3)
        provider = service.open()
        with pytest.raises(ServiceUnavailable):
            ask(provider, make_request(service.spec))
        time.sleep(0.5)
        assert ask(provider, make_request(service.spec))[0].text

    def test_a_server_that_is_not_there_is_unavailable(self, service: Case) -> None:
        with pytest.raises(ServiceUnavailable, match=r"cannot be reached|Connection error"):
            ask(service.open(base_url="http://127.0.0.1:9"), make_request(service.spec))

    @pytest.mark.parametrize("status", [401, 500])
    def test_the_api_key_is_shown_nowhere(self, service: Case, status: int) -> None:
        service.server.fail(status=status, message=f"the key {KEY} is wrong")
        provider = service.open()
        with pytest.raises(DreamsmkError) as caught:
            ask(provider, make_request(service.spec))
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value)
        assert KEY not in shown
        assert KEY not in "".join(repr(vars(error)) + repr(error) for error in chained(caught.value))
        assert KEY not in repr(provider) + repr(vars(provider))

    def test_a_closed_provider_can_be_asked_again_in_another_loop(self, service: Case) -> None:
        provider = service.open()
        first = ask(provider, make_request(service.spec))[0]
        assert ask(provider, make_request(service.spec))[0].text == first.text

    def test_many_requests_are_in_flight_at_once(self, service: Case) -> None:
        service.server.latency_seconds = 0.1
        ask(service.open(), *(make_request(service.spec, f"number {n}") for n in range(20)))
        assert service.server.peak > 5

    def test_closing_what_was_never_opened_is_no_error(self, service: Case) -> None:
        provider = service.open()
        assert isinstance(provider, ServiceProvider)
        asyncio.run(provider.close())
