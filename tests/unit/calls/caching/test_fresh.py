"""Asking again what a cache has replies for."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dreamsmk.calls import CachedModel, FreshReplies
from dreamsmk.providers.replies import utc_now
from tests.unit.calls.providers import IDENTITY, Local, Service, request, response, spec


def new_run() -> str:
    """Returns the moment of a run, in a millisecond of its own: replies know theirs no better."""
    time.sleep(0.003)
    moment = datetime.now(UTC).isoformat()
    time.sleep(0.003)
    return moment


def stamped(kind: type, mark: str) -> type:
    """A provider whose replies bear a mark and the time, as those of real ones do."""

    class StampedService(Service):
        async def complete(self, asked):
            reply = await super().complete(asked)
            return replace(reply, text=f"{reply.text} {mark}", created_at=utc_now())

    class StampedLocal(Local):
        def generate(self, asked):
            for index, reply in super().generate(asked):
                yield index, replace(reply, text=f"{reply.text} {mark}", created_at=utc_now())

    return StampedService if kind is Service else StampedLocal


@pytest.fixture(params=[Service, Local])
def ask(request, cache):
    """Asks prompts as a job does; returns the texts, and how many calls were sent."""

    def asked(*prompts: str, mark: str, since: str | None = None) -> tuple[list[str], int]:
        replies = FreshReplies(cache, since) if since else cache
        model = CachedModel("teacher", spec(), IDENTITY, replies, provider_type=stamped(request.param, mark))
        texts = [reply.text for reply in model.answer(model.requests(prompts))]
        model.close()
        return texts, model.tally.sent

    return asked


def test_what_was_asked_before_the_moment_is_asked_again_and_replaced(ask):
    assert ask("a", "b", mark="old") == (["re: a old", "re: b old"], 2)
    assert ask("a", "b", mark="new", since=new_run()) == (["re: a new", "re: b new"], 2)
    assert ask("a", "b", mark="later") == (["re: a new", "re: b new"], 0)


def test_a_row_that_comes_twice_is_asked_once(ask):
    since = new_run()
    assert ask("a", "b", "a", mark="one", since=since) == (["re: a one", "re: b one", "re: a one"], 2)


def test_another_job_of_the_run_finds_what_was_asked_since_its_moment(ask):
    since = new_run()
    assert ask("a", mark="one", since=since)[1] == 1
    assert ask("a", "b", mark="two", since=since) == (["re: a one", "re: b two"], 1)


def test_a_run_that_was_ended_early_has_replaced_what_it_was_answered(ask, cache):
    ask("a", "b", mark="old")
    asked = CachedModel("t", spec(), IDENTITY, FreshReplies(cache, new_run()), provider_type=stamped(Service, "new"))
    replies = asked.answer(asked.requests(["a"]))
    next(replies)
    replies.close()
    asked.close()
    assert ask("a", "b", mark="later") == (["re: a new", "re: b old"], 0)


def test_a_reply_from_the_future_is_asked_again(cache):
    """The clock was set back since."""
    one = request("a")
    cache.put(one.key(), one, replace(response("old"), created_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat()))
    assert FreshReplies(cache, new_run()).get_many([one.key()]) == {}
