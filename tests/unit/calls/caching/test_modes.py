"""`cache: read|write|off|offline`: what is read, kept, asked and refused."""

import time
from dataclasses import replace

import pytest

from dreamsmk.calls import CachedModel, in_mode
from dreamsmk.errors import OfflineMiss
from dreamsmk.providers.replies import utc_now
from dreamsmk.requests import Message, ModelIdentity, Request, Sampling
from tests.unit.calls.providers import IDENTITY, Service, request, response, spec


@pytest.fixture
def ask(cache):
    """Asks prompts as a job does; returns the texts, and how many calls were sent."""

    def asked(mode, *prompts: str, mark: str = "", provider_type=None) -> tuple[list[str], int]:
        class Stamped(Service):
            async def complete(self, asked):
                reply = await super().complete(asked)
                return replace(reply, text=f"{reply.text} {mark}", created_at=utc_now())

        model = CachedModel("teacher", spec(), IDENTITY, in_mode(cache, mode), provider_type=provider_type or Stamped)
        texts = [reply.text for reply in model.answer(model.requests(prompts))]
        model.close()
        return texts, model.tally.sent

    return asked


def test_the_usual_way_reads_and_keeps(ask):
    assert ask(None, "a", mark="1") == (["re: a 1"], 1)
    assert ask(None, "a", "b", mark="2") == (["re: a 1", "re: b 2"], 1)


def test_read_reads_and_keeps_nothing_new(ask, cache):
    ask(None, "a", mark="1")
    assert ask("read", "a", "b", mark="2") == (["re: a 1", "re: b 2"], 1)
    assert ask("read", "b", mark="3") == (["re: b 3"], 1)
    assert cache.count() == 1


def test_write_asks_everything_anew_once_and_replaces_it(ask, cache):
    ask(None, "a", mark="1")
    # Replies know the time of their arrival to the millisecond.
    time.sleep(0.003)
    assert ask("write", "a", "b", "a", mark="2") == (["re: a 2", "re: b 2", "re: a 2"], 2)
    assert ask(None, "a", "b", mark="3") == (["re: a 2", "re: b 2"], 0)
    assert cache.count() == 2


def test_off_neither_reads_nor_keeps(ask, cache):
    ask(None, "a", mark="1")
    assert ask("off", "a", mark="2") == (["re: a 2"], 1)
    assert ask(None, "a", mark="3") == (["re: a 1"], 0)
    assert cache.count() == 1


def test_what_keeps_nothing_lets_nobody_wait(cache):
    key = request("a").key()
    assert in_mode(cache, "off").claim([key]) == {key}
    assert cache.claim([key]) == {key}


class NeverOpened(Service):
    def __init__(self, spec):
        raise AssertionError("offline, no provider is opened")


def test_offline_answers_from_the_cache_and_opens_no_provider(ask):
    ask(None, "a", "b", mark="1")
    assert ask("offline", "b", "a", provider_type=NeverOpened) == (["re: b 1", "re: a 1"], 0)


def test_offline_a_miss_names_the_nearest_call_and_what_differs(ask):
    ask(None, "write a tweet on whales", "something else")
    with pytest.raises(OfflineMiss) as caught:
        ask("offline", "write a tweet on wolves", provider_type=NeverOpened)
    words = str(caught.value).splitlines()
    assert len(words) == 3
    assert words[0] == "offline: a call is not in the call cache, and nothing may be asked"
    assert request("write a tweet on wolves").key() in words[1]
    assert request("write a tweet on whales").key()[:19] in words[2]
    assert "messages.0.content: 'write a tweet on whales' -> 'write a tweet on wolves'" in words[2]


def test_offline_many_misses_are_counted(ask):
    with pytest.raises(OfflineMiss, match="offline: 40 calls or more are not in the call cache") as caught:
        ask("offline", *map(str, range(40)), provider_type=NeverOpened)
    assert "the call cache is empty" in str(caught.value)


def test_offline_at_most_three_differences_are_shown_and_long_texts_around_the_first(cache):
    stored = Request(
        ModelIdentity("openai", "gpt"),
        (Message("user", "A long beginning that both have. " * 20 + "Tell of whales."),),
        Sampling(temperature=1.0, top_p=0.5, max_tokens=20),
    )
    cache.put(stored.key(), stored, response("hi"), rule="tweets")
    wanted = replace(
        stored,
        messages=(Message("user", stored.messages[0].content.replace("whales", "wolves")),),
        sampling=Sampling(temperature=0.5, seed=3),
    )
    with pytest.raises(OfflineMiss) as caught:
        in_mode(cache, "offline").refuse([wanted])
    hint = caught.value.hint
    assert "by rule tweets" in hint
    assert "messages.0.content: '…have. Tell of whales.' -> '…have. Tell of wolves.'" in hint
    assert "sampling.max_tokens: 20 -> (absent)" in hint
    assert "sampling.seed: (absent) -> 3" in hint
    assert hint.endswith("; and 2 more")
