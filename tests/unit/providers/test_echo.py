from __future__ import annotations

import pytest

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers import provider_class
from dreamsmk.providers.echo import EchoProvider
from dreamsmk.settings import ModelSpec
from tests.wire.asking import ask, make_request

SPEC = ModelSpec(provider="echo", model="parrot")


def test_the_text_ends_with_the_last_user_message() -> None:
    (reply,) = ask(EchoProvider(SPEC), make_request(SPEC, "Hello there."))
    assert reply.text.endswith(": Hello there.")
    assert reply.usage.input_tokens == 2


def test_samples_of_one_prompt_differ() -> None:
    provider = EchoProvider(SPEC)
    texts = {reply.text for reply in ask(provider, *(make_request(SPEC, sample=n) for n in range(5)))}
    assert len(texts) == 5


def test_max_tokens_and_stop_cut_the_text() -> None:
    provider = EchoProvider(SPEC)
    (short,) = ask(provider, make_request(SPEC, "one two three", max_tokens=3))
    assert (short.text.split()[-1], short.finish_reason, short.usage.output_tokens) == ("one", "length", 3)
    (cut,) = ask(provider, make_request(SPEC, "one two three", stop=(" three", " two")))
    assert (cut.text.split()[-1], cut.finish_reason) == ("one", "stop")


def test_fixed_replies_are_chosen_by_the_key() -> None:
    spec = ModelSpec(provider="echo", model="judge", options={"replies": ["Yes", "No"]})
    requests = [make_request(spec, f"Is {n} even?") for n in range(20)]
    replies = ask(EchoProvider(spec), *requests)
    assert {reply.text for reply in replies} == {"Yes", "No"}
    assert [r.text for r in ask(EchoProvider(spec), *requests)] == [r.text for r in replies]


def test_fail_on_rejects_the_prompts_that_hold_the_text() -> None:
    spec = ModelSpec(provider="echo", model="parrot", options={"fail_on": "poison"})
    ask(EchoProvider(spec), make_request(spec, "harmless"))
    with pytest.raises(RequestRejected, match="poison"):
        ask(EchoProvider(spec), make_request(spec, "a poison"))


@pytest.mark.parametrize("options", [{"latency": 1}, {"replies": []}, {"replies": "Yes"}, {"latency_seconds": "x"}])
def test_wrong_options_are_refused(options: dict) -> None:
    with pytest.raises(SettingsError):
        provider_class("echo").check(ModelSpec(provider="echo", model="m", options=options))
