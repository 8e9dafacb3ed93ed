"""Calls through a batch API, against both APIs on a local server."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback

import pytest

from dreamsmk.calls import SqliteCallCache
from dreamsmk.calls.batches.watch import BATCHES_PER_CALL
from dreamsmk.calls.caching.modes import in_mode
from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.requests import Sampling
from tests.unit.calls.batches.desk import KINDS, Desk, collected, prompts, text_of
from tests.wire import WireServer
from tests.wire.asking import KEY
from tests.wire.batches import BatchApis


@pytest.fixture
def apis():
    return BatchApis()


@pytest.fixture
def server(apis):
    with WireServer(extra_routes=apis.routes) as server:
        yield server


@pytest.fixture(params=KINDS)
def desk(request, server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return Desk(request.param, server.url, tmp_path)


@pytest.fixture
def openai_desk(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return Desk("openai", server.url, tmp_path)


def test_every_row_gets_its_own_reply_in_order_from_one_batch(desk, apis, server):
    replies = desk.run(prompts(20))
    assert all(text_of(prompt, reply) for prompt, reply in zip(prompts(20), replies, strict=True))
    assert len(apis.accepted) == 1
    assert sum(apis.billed.values()) == 20
    assert server.count == 0
    assert (desk.tally.sent, desk.tally.hits, desk.tally.retries) == (20, 0, 0)


def test_what_is_cached_is_not_submitted_and_identical_requests_once(desk, apis):
    desk.run(prompts(5))
    replies = desk.run([*prompts(8), "prompt 7", "prompt 0"])
    assert [len(batch.items) for batch in apis.accepted] == [5, 3]
    assert replies[7] == replies[8]
    desk.run(prompts(8))
    assert len(apis.accepted) == 2


def test_batches_are_split_at_the_number_of_calls(desk, apis):
    desk.limits = {"calls": 7}
    desk.run(prompts(20))
    assert [len(batch.items) for batch in apis.accepted] == [7, 7, 6]
    assert desk.told.updates[-2][2]["batch"].startswith("3 of 3: 6 of 6")


def test_batches_are_split_at_the_size_of_their_input(desk, apis):
    desk.limits = {"size_bytes": 1000}
    desk.run(prompts(20))
    assert len(apis.accepted) > 2
    assert all(len(content) <= 1000 for content in apis.files.values() if b'"method"' in content)
    assert sum(apis.billed.values()) == 20


def test_a_request_longer_than_a_batch_fails_alone(desk, apis):
    desk.limits = {"size_bytes": 1000}
    with pytest.raises(RequestRejected, match=r"1 of 3 rows got no reply.*longer than a whole batch"):
        desk.run(["one", "long " * 300, "two"])
    assert desk.cached() == {"one", "two"}


def test_a_rejected_call_fails_for_good_with_the_words_of_the_service(desk, apis, server):
    server.fail(status=400, contains="prompt 3", message="it is too rude")
    with pytest.raises(RequestRejected, match=r"1 of 6 rows got no reply: .*400: it is too rude") as caught:
        desk.run(prompts(6))
    assert caught.value.status == 400
    assert len(apis.accepted) == 1
    assert desk.cached() == set(prompts(6)) - {"prompt 3"}


def test_server_errors_and_expired_calls_are_submitted_again(desk, apis, server):
    server.fail(status=500, contains="prompt 3", times=1)
    apis.expired["prompt 4"] = 2
    replies = desk.run(prompts(6))
    assert text_of("prompt 4", replies[4])
    assert [len(batch.items) for batch in apis.accepted] == [6, 2, 1]
    assert set(apis.billed.values()) == {1}
    assert [reply.retries for reply in replies] == [0, 0, 0, 1, 2, 0]
    assert (desk.tally.sent, desk.tally.retries) == (6, 3)


def test_a_call_that_fails_in_every_batch_is_given_up(desk, apis, server):
    server.fail(status=500, contains="prompt 3", message="broken")
    with pytest.raises(ServiceUnavailable, match="500: broken"):
        desk.run(prompts(6))
    assert len(apis.accepted) == BATCHES_PER_CALL
    assert sum(apis.billed.values()) == 5


def test_a_batch_that_is_refused_as_a_whole_fails_with_the_words_of_the_service(openai_desk, apis):
    apis.problems.append(("invalid_json_line", "line 1 is no JSON"))
    with pytest.raises(RequestRejected, match="refused a whole batch: line 1 is no JSON"):
        openai_desk.run(prompts(6))
    assert not apis.billed
    openai_desk.run(prompts(6))
    assert set(apis.billed.values()) == {1}


def test_a_queue_that_is_full_is_tried_again_later(openai_desk, apis):
    apis.problems.append(("token_limit_exceeded", "Enqueued token limit reached"))
    with SqliteCallCache(openai_desk.cache_path) as cache:
        carrier = openai_desk.carrier(cache)
        carrier.submit([openai_desk.call(prompt) for prompt in prompts(4)])
        assert all(call.response is not None and call.attempts == 1 for call in collected(carrier, 4))
    assert [len(batch.items) for batch in apis.accepted] == [0, 4]


def test_a_submission_that_is_refused_for_now_is_repeated(desk, apis):
    apis.refuse += [429, 429]
    with SqliteCallCache(desk.cache_path) as cache:
        carrier = desk.carrier(cache)
        carrier.submit([desk.call(prompt) for prompt in prompts(4)])
        assert all(call.response is not None and call.attempts == 1 for call in collected(carrier, 4))
    assert apis.seen["create"] == 3
    assert [len(batch.items) for batch in apis.accepted] == [4]


def test_a_submission_that_is_always_refused_fails(desk, apis):
    apis.refuse += [429] * 10
    with SqliteCallCache(desk.cache_path) as cache:
        carrier = desk.carrier(cache)
        carrier.submit([desk.call(prompt) for prompt in prompts(4)])
        assert all(call.error.status == 429 for call in collected(carrier, 4))
    assert not apis.accepted


def test_a_batch_that_is_too_large_for_the_service_is_halved(desk, apis):
    apis.refuse.append(413)
    desk.run(prompts(5))
    assert [len(batch.items) for batch in apis.accepted] == [2, 3]
    assert set(apis.billed.values()) == {1}


def test_a_submission_whose_answer_was_lost_is_found_and_not_repeated(desk, apis):
    apis.refuse.append(-500)
    # others of the account: one more recent with as many calls, one that is still running
    Desk(desk.kind, desk.url, desk.folder / "other").run(["a", "b", "c", "d"])
    desk.run(prompts(4))
    assert set(apis.billed.values()) == {1}
    assert len(apis.accepted) == 2


def test_a_submission_that_never_arrived_is_repeated(desk, apis):
    apis.refuse.append(500)
    started = time.monotonic()
    desk.run(prompts(4))
    assert time.monotonic() - started > 0.3
    assert set(apis.billed.values()) == {1}
    assert [batch.state for batch in desk.ledger().all()] == ["ended", "dropped"]


def test_a_wrong_key_stops_everything_at_once(desk, apis):
    apis.refuse.append(401)
    desk.limits = {"calls": 2}
    with pytest.raises(RequestRejected, match="nothing more was sent") as caught:
        desk.run(prompts(6))
    assert caught.value.status == 401
    assert apis.seen["create"] == 1
    assert not desk.ledger().open_batches(desk.kind, desk.spec().base_url)


def test_a_batch_that_is_left_running_is_picked_up_by_the_next_run(desk, apis):
    apis.seconds = 0.5
    notes: list[str] = []
    with SqliteCallCache(desk.cache_path) as cache:
        carrier = desk.carrier(cache, notes=notes)
        carrier.submit([desk.call(prompt) for prompt in prompts(4)])
        assert carrier.collect(wait_seconds=0.05) == []
        carrier.stop(5.0)
    assert notes == [f"a batch goes on at {desk.kind} with 4 calls; the next run picks it up"]
    replies = desk.run(prompts(4))
    assert text_of("prompt 2", replies[2])
    assert apis.seen["create"] == 1
    assert desk.tally.sent == 4


def test_replies_that_nobody_asks_for_any_more_are_kept(desk, apis):
    with SqliteCallCache(desk.cache_path) as cache:
        carrier = desk.carrier(cache)
        carrier.submit([desk.call(prompt) for prompt in prompts(6)])
        assert carrier.collect(wait_seconds=0.001) == []
    desk.run(["prompt 0", "something else"])
    assert desk.cached() == {*prompts(6), "something else"}
    assert set(apis.billed.values()) == {1}
    assert [len(batch.items) for batch in apis.accepted] == [6, 1]


def test_a_run_that_keeps_nothing_leaves_the_replies_of_others_to_others(desk, apis):
    with SqliteCallCache(desk.cache_path) as cache:
        carrier = desk.carrier(cache)
        carrier.submit([desk.call(prompt) for prompt in prompts(6)])
        assert carrier.collect(wait_seconds=0.001) == []
        careless = desk.carrier(in_mode(cache, "off"))
        careless.submit([desk.call("prompt 0"), desk.call("something else")])
        assert all(call.response is not None for call in collected(careless, 2))
    assert desk.cached() == set()
    desk.run(["another"])
    assert desk.cached() == {*prompts(6), "another"}
    assert set(apis.billed.values()) == {1}


def test_two_runs_at_once_submit_a_call_once(desk, apis):
    apis.seconds = 0.4
    errors = []

    def run(first: int) -> None:
        try:
            replies = Desk(desk.kind, desk.url, desk.folder).run(prompts(20)[first : first + 12])
            assert len(replies) == 12
        except BaseException as exc:
            errors.append(exc)
            raise

    threads = [threading.Thread(target=run, args=(first,)) for first in (0, 8, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(apis.billed) == 20
    assert set(apis.billed.values()) == {1}


def test_a_cancelled_batch_keeps_what_it_has_and_is_not_submitted_again(desk, apis):
    apis.seconds = 30
    with SqliteCallCache(desk.cache_path) as cache:
        carrier = desk.carrier(cache)
        carrier.submit([desk.call(prompt) for prompt in prompts(4)])
        carrier.collect(wait_seconds=0.001)
    service = desk.provider().batches()
    service.cancel(apis.accepted[0].id)
    service.close()
    with pytest.raises(ProviderError, match="2 of 4 rows got no reply: the batch was cancelled"):
        desk.run(prompts(4))
    assert len(apis.accepted) == 1
    assert len(desk.cached()) == 2


def test_a_batch_that_the_service_does_not_know_any_more_says_how_to_forget_it(desk, apis):
    apis.seconds = 30
    with SqliteCallCache(desk.cache_path) as cache:
        carrier = desk.carrier(cache)
        carrier.submit([desk.call("prompt 0")])
        carrier.collect(wait_seconds=0.001)
    apis.accepted.clear()
    with pytest.raises(ProviderError, match="dreamsmk batches forget"):
        desk.run(["prompt 0"])
    assert apis.seen["create"] == 1
    (batch,) = desk.ledger().all()
    desk.ledger().close_batch(batch.uuid, "dropped")
    apis.seconds = 0
    desk.run(["prompt 0"])
    assert apis.seen["create"] == 2


def test_a_service_that_is_away_for_a_while_is_waited_for(desk, apis, server):
    apis.seconds = 0.8
    with SqliteCallCache(desk.cache_path) as cache:
        carrier = desk.carrier(cache)
        carrier.submit([desk.call(prompt) for prompt in prompts(4)])
        carrier.collect(wait_seconds=0.001)
        server.die(0.5)
        assert all(call.response is not None for call in collected(carrier, 4))
    assert set(apis.billed.values()) == {1}


@pytest.mark.parametrize(
    ("signum", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)], ids=["ctrl-c", "sigterm"]
)
def test_a_signal_leaves_the_batch_running_and_one_line_says_so(desk, apis, signum, error):
    apis.seconds = 60.0
    threading.Timer(0.6, lambda: os.kill(os.getpid(), signum)).start()
    with pytest.raises(error):
        desk.run(prompts(4))
    assert desk.told.notes == [f"a batch goes on at {desk.kind} with 4 calls; the next run picks it up"]
    apis.accepted[0].ends_at = 0.0
    desk.run(prompts(4))
    assert desk.told.notes == []
    assert len(apis.accepted) == 1


def test_neither_a_file_nor_an_error_holds_the_key(desk, apis, server):
    server.fail(status=400, contains="prompt 3", message=f"no good with {KEY}")
    with pytest.raises(ProviderError) as caught:
        desk.run(prompts(6))
    assert KEY not in "".join(traceback.format_exception(caught.value))
    apis.refuse.append(403)
    with pytest.raises(ProviderError, match=r"not now, Bearer \*") as caught:
        desk.run(prompts(8))
    assert KEY not in "".join(traceback.format_exception(caught.value))
    found = [path for path in desk.folder.iterdir() if KEY.encode() in path.read_bytes()]
    assert not found


def test_embeddings_go_through_a_batch_of_their_own(openai_desk, apis):
    asked = [openai_desk.request(prompt, wanted="embedding", sampling=Sampling()) for prompt in prompts(3)]
    replies = openai_desk.run([asked[0], "prompt 0", *asked[1:]])
    assert [reply.embedding is None for reply in replies] == [False, True, False, False]
    assert sorted(batch.endpoint for batch in apis.accepted) == ["/v1/chat/completions", "/v1/embeddings"]
