import itertools
from typing import TYPE_CHECKING

import pytest

from dreamsmk.calls import CachedModel
from dreamsmk.errors import SettingsError
from dreamsmk.requests import Message, Sampling
from dreamsmk.tasks.context import Model
from tests.unit.calls.providers import IDENTITY, Local, Service, Told, spec

if TYPE_CHECKING:
    checked: Model = CachedModel("teacher", spec(), IDENTITY, None)


@pytest.fixture
def model(cache):
    model = CachedModel("teacher", spec(temperature=0.5, stop=("END",)), IDENTITY, cache, provider_type=Service)
    yield model
    model.close()


def test_prompts_become_user_messages(model):
    (one,) = model.requests(["hello"])
    assert one.model == IDENTITY
    assert one.messages == (Message("user", "hello"),)
    assert one.sample == 0


def test_a_system_text_comes_first(model):
    (one,) = model.requests(["hello"], system="be brief")
    assert one.messages == (Message("system", "be brief"), Message("user", "hello"))


def test_sampling_goes_over_the_defaults_of_the_spec(model):
    (one,) = model.requests(["a"])
    assert one.sampling == Sampling(temperature=0.5, stop=("END",))
    (one,) = model.requests(["a"], temperature=0.0, max_tokens=7)
    assert one.sampling == Sampling(temperature=0.0, max_tokens=7, stop=("END",))


def test_none_leaves_the_value_of_the_spec(model):
    (one,) = model.requests(["a"], temperature=None, max_tokens=None)
    assert one.sampling == Sampling(temperature=0.5, stop=("END",))


def test_stop_may_be_one_text_or_many(model):
    assert next(model.requests(["a"], stop="X")).sampling.stop == ("X",)
    assert next(model.requests(["a"], stop=["X", "Y"])).sampling.stop == ("X", "Y")


def test_samples_are_numbered_as_given(model):
    assert [one.sample for one in model.requests("aab", samples=[0, 1, 0])] == [0, 1, 0]
    assert [one.sample for one in model.requests("ab", samples=itertools.count(5))] == [5, 6]


def test_too_few_samples_are_an_error(model):
    with pytest.raises(ValueError, match="1 samples for more prompts"):
        list(model.requests("ab", samples=[0]))


def test_an_unknown_sampling_value_is_an_error_with_the_nearest_name(model):
    with pytest.raises(SettingsError, match="did you mean 'temperature'"):
        model.requests(["a"], temprature=1.0)


def test_a_sampling_value_that_the_provider_does_not_take_is_an_error(model):
    with pytest.raises(SettingsError, match="takes no 'min_p'"):
        model.requests(["a"], min_p=0.1)


def test_requests_are_made_as_they_are_asked_for(model):
    assert next(model.requests(str(i) for i in itertools.count())).messages[0].content == "0"


@pytest.mark.parametrize("kind", [Service, Local])
def test_nothing_is_opened_before_the_first_miss_and_all_is_closed(cache, kind):
    opened = []

    class Watched(kind):
        def __init__(self, model_spec):
            super().__init__(model_spec)
            opened.append(self)

    def fresh():
        return CachedModel("teacher", spec(), IDENTITY, cache, provider_type=Watched)

    model = fresh()
    requests = list(model.requests(["a", "b"]))
    model.close()
    assert opened == []
    assert [reply.text for reply in model.answer(requests)] == ["re: a", "re: b"]
    assert [reply.text for reply in model.answer(model.requests(["c"]))] == ["re: c"]
    assert len(opened) == 1
    model.close()
    model.close()
    assert opened[0].is_closed
    again = fresh()
    list(again.answer(again.requests(["a", "b", "c"])))
    assert len(opened) == 1


def test_the_tally_goes_on_from_run_to_run(model):
    list(model.answer(model.requests(["a", "b"])))
    list(model.answer(model.requests(["b", "c"])))
    assert (model.tally.requests, model.tally.hits, model.tally.sent) == (4, 1, 3)


def test_progress_is_told(cache):
    told = Told()
    model = CachedModel("teacher", spec(), IDENTITY, cache, told, provider_type=Service)
    list(model.answer(model.requests(["a", "b"]), total=2))
    assert told.updates[-1] == (2, 2, {"hits": 0, "sent": 2, "tokens": 10})


def test_an_unknown_provider_is_an_error(cache):
    model = CachedModel("teacher", spec(provider="opnai"), IDENTITY, cache)
    with pytest.raises(SettingsError, match="did you mean 'openai'"):
        model.requests(["a"])


def test_what_was_paid_and_what_it_is_worth_stand_beside_the_tally(cache):
    prices = {"input_usd_per_million": 1_000_000.0, "output_usd_per_million": 2_000_000.0}
    for paid, whole in [(7.0, 14.0), (0.0, 14.0)]:
        model = CachedModel("teacher", spec(prices=prices), IDENTITY, cache, provider_type=Service)
        list(model.answer(model.requests(["a", "a"])))
        told = model.calls_json()
        assert (told["cost_usd"], told["cost_usd_uncached"], told["prices"]) == (paid, whole, "config")
        assert told["requests"] == 2
        model.close()


def test_without_a_price_nothing_is_made_up(cache):
    model = CachedModel("teacher", spec(provider="openai"), IDENTITY, cache, provider_type=Service)
    list(model.answer(model.requests(["a"])))
    told = model.calls_json()
    assert (told["cost_usd"], told["cost_usd_uncached"], told["prices"]) == (None, None, None)
    model.close()
