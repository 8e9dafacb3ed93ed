"""What every provider keeps, whatever it is: the contract of `dreamsmk.providers.base`."""

from __future__ import annotations

import dataclasses

import pytest

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers import PROVIDERS, resolve_identity
from dreamsmk.providers.replies import FINISH_REASONS
from dreamsmk.requests import Response
from tests.contract.cases import ELSEWHERE, LOCAL, SERVICES, Case
from tests.wire.asking import ask, make_request

PROMPTS = ["the of and", "it is", "they were all there", "so be it"]
VALUES = {"presence_penalty": 0.5, "repetition_penalty": 1.1, "min_p": 0.1, "seed": 3, "top_k": 4, "logprobs": 1}


def test_every_registered_provider_is_under_contract() -> None:
    assert {name.partition("-")[0] for name in [*SERVICES, *LOCAL]} | set(ELSEWHERE) >= set(PROVIDERS)


class TestEveryProvider:
    def test_its_spec_passes_its_check(self, case: Case) -> None:
        case.type.check(case.spec)

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
        for name, value in VALUES.items():
            if name in case.capabilities.sampling:
                continue
            if name != "logprobs":
                with pytest.raises(SettingsError, match=name):
                    case.type.check(dataclasses.replace(case.spec, **{name: value}))
            with pytest.raises(RequestRejected, match=name):
                ask(case.open(), make_request(case.spec, **{name: value}))
        assert case.server is None or case.server.count == 0
