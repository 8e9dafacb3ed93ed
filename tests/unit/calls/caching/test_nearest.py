import pytest

from dreamsmk.calls import SqliteCallCache, nearest_call
from dreamsmk.calls.caching.nearest import call_differences
from dreamsmk.requests import Message, ModelIdentity, Request, Response, Sampling, Usage

TWEET = "Input: a study of attention in large models. Instruction: write a tweet"


def ask(text=TWEET, model="gpt", **sampling):
    return Request(ModelIdentity("openai", model), (Message("user", text),), Sampling(**sampling))


@pytest.fixture
def cache(tmp_path):
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        yield cache


def keep(cache, *requests):
    for request in requests:
        cache.put(
            request.key(),
            request,
            Response("hi", "stop", "gpt", Usage(), "2026-01-01T00:00:00+00:00", 0.1),
            rule="tweets",
        )


def test_nothing_is_near_in_an_empty_cache(cache):
    assert nearest_call(cache, ask()) is None


def test_the_same_prompt_with_another_temperature_is_nearest(cache):
    wanted = ask(temperature=0.5)
    near = ask(temperature=1.0)
    keep(cache, ask("Input: something else"), near, ask(TWEET + " in French", temperature=0.7))
    assert nearest_call(cache, wanted).key == near.key()


def test_the_same_prompt_to_another_model_is_nearer_than_another_prompt_to_a_third(cache):
    near = ask(model="gpt-mini")
    keep(cache, near, ask("Input: a study of attention", model="claude"))
    assert nearest_call(cache, ask()).key == near.key()


def test_of_many_prompts_to_the_same_model_the_one_with_most_words_in_common_is_nearest(cache):
    near = ask(TWEET.replace("large", "small"))
    keep(cache, *(ask(f"Input: number {number}. Instruction: write a tweet") for number in range(50)), near)
    assert nearest_call(cache, ask()).key == near.key()


def test_where_neither_model_nor_prompt_is_known_something_is_still_shown(cache):
    other = ask("What is the time?", model="claude")
    keep(cache, other)
    assert nearest_call(cache, ask()).key == other.key()


def test_the_call_itself_is_not_its_neighbour(cache):
    keep(cache, ask())
    assert nearest_call(cache, ask()) is None


def test_differences_are_told_leaf_by_leaf():
    stored, wanted = ask(temperature=1.0, max_tokens=20), ask(temperature=0.5, seed=1)
    assert call_differences(stored.canonical(), wanted.canonical()) == [
        "sampling.max_tokens: 20 -> (absent)",
        "sampling.seed: (absent) -> 1",
        "sampling.temperature: 1.0 -> 0.5",
    ]
    assert call_differences(stored.canonical(), stored.canonical()) == []


def test_long_texts_are_shown_around_the_first_difference():
    long = "word " * 100
    stored, wanted = ask(f"{long}whales {long}"), ask(f"{long}wolves {long}")
    (line,) = call_differences(stored.canonical(), wanted.canonical())
    assert line.startswith("messages.0.content: '…")
    assert "whales" in line
    assert "wolves" in line
    assert len(line) < 160
