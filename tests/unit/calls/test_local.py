import pytest

from dreamsmk.calls import answer
from dreamsmk.errors import ProviderError, RequestRejected
from tests.unit.calls.providers import Local, request, requests, response, spec


def test_misses_are_gathered_in_chunks_of_many_batches(cache):
    local = Local(spec(batch_size=2))
    list(answer(local, cache, requests(200)))
    assert local.chunks == [64, 64, 64, 8]


def test_misses_between_hits_are_gathered(cache):
    list(answer(Local(), cache, [request(f"prompt {i}") for i in range(1000) if i % 10]))
    local = Local()
    list(answer(local, cache, requests(1000)))
    assert local.chunks == [100]


def test_each_reply_is_kept_before_the_next_one_is_made(cache):
    kept = []

    class Watching(Local):
        def generate(self, requests):
            for index, reply in super().generate(requests):
                yield index, reply
                kept.append(len(cache.get_many([requests[index].key()])))

    list(answer(Watching(), cache, requests(20)))
    assert kept == [1] * 20


def test_an_interrupted_chunk_leaves_what_it_yielded(cache):
    class Interrupted(Local):
        def generate(self, requests):
            for count, pair in enumerate(super().generate(requests)):
                if count == 9:
                    raise KeyboardInterrupt
                yield pair

    with pytest.raises(KeyboardInterrupt):
        list(answer(Interrupted(), cache, requests(40)))
    again = Local()
    list(answer(again, cache, requests(40)))
    assert sum(again.generated.values()) == 31


def test_two_bad_requests_in_one_chunk_are_found_alone(cache):
    local = Local(
        fails=lambda prompt: RequestRejected(f"{prompt} is too long") if prompt in {"bad 1", "bad 2"} else None
    )
    many = [*requests(50), request("bad 1"), *[request(f"more {i}") for i in range(40)], request("bad 2")]
    with pytest.raises(RequestRejected, match="2 of 92 rows got no reply: bad 1 is too long; bad 2 is too long"):
        list(answer(local, cache, many))
    assert len(local.generated) == 90
    assert set(local.generated.values()) == {1}


def test_a_model_that_answers_nothing_is_given_up_soon(cache):
    local = Local(fails=lambda prompt: RequestRejected("the model cannot be loaded"))
    with pytest.raises(RequestRejected, match="cannot be loaded"):
        list(answer(local, cache, requests(1000)))
    assert len(local.chunks) < 20


def test_a_model_that_leaves_a_request_out_is_an_error(cache):
    class Forgetful(Local):
        def generate(self, requests):
            yield from ((i, response("x")) for i in range(len(requests) - 1))

    with pytest.raises(ProviderError, match="left 1 of 10 requests unanswered"):
        list(answer(Forgetful(), cache, requests(10)))
