"""What every provider keeps, whatever it is: the contract of `dreamsmk.providers.base`."""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dreamsmk.errors import DreamsmkError, ProviderError, RequestRejected, ServiceUnavailable, SettingsError
from dreamsmk.providers import PROVIDERS, Provider, ServiceProvider, open_provider, provider_class, resolve_identity
from dreamsmk.providers.replies import FINISH_REASONS
from dreamsmk.requests import Response
from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_model
from tests.wire import WireServer
from tests.wire.asking import KEY, ask, make_request

SERVICES = ["anthropic", "openai"]
PROMPTS = ["the of and", "it is", "they were all there", "so be it"]


@dataclass(frozen=True)
class Case:
    """A provider under test; `server` is the service behind it, where there is one."""

    spec: ModelSpec
    server: WireServer | None = None

    def open(self, **values) -> Provider:
        return open_provider(dataclasses.replace(self.spec, **values))


@pytest.fixture(scope="module")
def running_server() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def make_case(running_server: WireServer, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Case]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    running_server.clear()
    endpoints = {"openai": running_server.openai_url, "anthropic": running_server.url}

    def make(name: str) -> Case:
        if name in endpoints:
            spec = ModelSpec(provider=name, model="a-model", base_url=endpoints[name], timeout_seconds=5)
            return Case(spec, running_server)
        local = {"model": str(tiny), "dtype": "float32", "device": "cpu", "max_tokens": 8}
        return Case(ModelSpec(provider=name, **(local if name == "transformers" else {"model": "a-model"})))

    return make


@pytest.fixture(params=sorted(PROVIDERS))
def case(request: pytest.FixtureRequest, make_case: Callable[[str], Case]) -> Case:
    return make_case(request.param)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, make_case: Callable[[str], Case]) -> Case:
    return make_case(request.param)


class TestEveryProvider:
    def test_its_spec_passes_its_check(self, case: Case) -> None:
        provider_class(case.spec.provider).check(case.spec)

    def test_each_request_gets_its_own_reply(self, case: Case) -> None:
        requests = [make_request(case.spec, prompt, max_tokens=8) for prompt in PROMPTS]
        replies = ask(case.open(), *requests)
        assert [reply.text for reply in replies] == [ask(case.open(), request)[0].text for request in requests]
        assert len({reply.text for reply in replies}) == len(PROMPTS)

    def test_the_same_request_has_the_same_reply_and_identity(self, case: Case) -> None:
        identities = [resolve_identity(case.spec, lambda _: "tree-sha256:00") for _ in range(2)]
        requests = [dataclasses.replace(make_request(case.spec, max_tokens=8), model=each) for each in identities]
        assert requests[0].key() == requests[1].key()
        assert ask(case.open(), requests[0])[0].text == ask(case.open(), requests[1])[0].text

    def test_the_reply_is_plain_json_with_all_its_facts(self, case: Case) -> None:
        (reply,) = ask(case.open(), make_request(case.spec, "one two three", max_tokens=8))
        assert Response.from_json(reply.to_json()) == reply
        assert reply.finish_reason in FINISH_REASONS
        assert reply.model
        assert reply.usage.input_tokens >= 3
        assert 1 <= reply.usage.output_tokens <= 8
        assert reply.created_at.endswith("+00:00")
        assert reply.latency_seconds >= 0

    def test_a_limit_of_tokens_is_kept_and_told(self, case: Case) -> None:
        (reply,) = ask(case.open(), make_request(case.spec, "one two three", max_tokens=2))
        assert (reply.usage.output_tokens, reply.finish_reason) == (2, "length")

    def test_a_system_prompt_reaches_the_model(self, case: Case) -> None:
        bare, told = (ask(case.open(), make_request(case.spec, system=s, max_tokens=4))[0] for s in (None, "Be brief."))
        assert told.usage.input_tokens > bare.usage.input_tokens

    def test_a_request_without_messages_is_rejected(self, case: Case) -> None:
        with pytest.raises(RequestRejected, match="no message"):
            ask(case.open(), dataclasses.replace(make_request(case.spec), messages=()))

    def test_a_sampling_value_that_it_does_not_take_is_refused_before_any_call(self, case: Case) -> None:
        values = {"presence_penalty": 0.5, "repetition_penalty": 1.1, "min_p": 0.1, "seed": 3, "top_k": 4}
        taken = provider_class(case.spec.provider).capabilities.sampling
        for name, value in values.items():
            if name in taken:
                continue
            with pytest.raises(SettingsError, match=name):
                provider_class(case.spec.provider).check(dataclasses.replace(case.spec, **{name: value}))
            with pytest.raises(RequestRejected, match=name):
                ask(case.open(), make_request(case.spec, **{name: value}))
        assert case.server is None or case.server.count == 0


class TestEveryService:
    def test_one_request_is_one_call(self, service: Case) -> None:
        ask(service.open(), *(make_request(service.spec, prompt) for prompt in PROMPTS))
        assert service.server.count == len(PROMPTS)

    def test_system_prompt_and_sampling_values_stand_in_the_body(self, service: Case) -> None:
        ask(service.open(), make_request(service.spec, system="Be brief.", temperature=0.25, top_p=0.75, max_tokens=6))
        body = service.server.last.body
        assert {"temperature": 0.25, "top_p": 0.75, "max_tokens": 6, "model": "a-model"}.items() <= body.items()
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

    @pytest.mark.parametrize("kind", ["reset", "garbage", "html", "empty"])
    def test_what_is_no_reply_is_unavailable(self, service: Case, kind: str) -> None:
        service.server.fail(kind)
        with pytest.raises(ServiceUnavailable):
            ask(service.open(), make_request(service.spec))

    def test_a_reply_that_takes_too_long_is_unavailable(self, service: Case) -> None:
        service.server.fail("slow", seconds=3)
        with pytest.raises(ServiceUnavailable, match="in time"):
            ask(service.open(timeout_seconds=0.2), make_request(service.spec))

    def test_a_server_that_is_not_there_is_unavailable(self, service: Case) -> None:
        with pytest.raises(ServiceUnavailable, match="cannot be reached"):
            ask(service.open(base_url="http://127.0.0.1:9"), make_request(service.spec))

    @pytest.mark.parametrize("status", [401, 500])
    def test_the_api_key_is_shown_nowhere(self, service: Case, status: int) -> None:
        service.server.fail(status=status, message=f"the key {KEY} is wrong")
        provider = service.open()
        with pytest.raises(DreamsmkError) as caught:
            ask(provider, make_request(service.spec))
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(caught.value)
        assert KEY not in shown
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
