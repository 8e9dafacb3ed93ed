import random

import pytest

from dreamsmk.calls.retry import RetryPolicy, is_for_all
from dreamsmk.errors import MissingCredentials, ProviderError, RequestRejected, ServiceUnavailable


def policy(**values) -> RetryPolicy:
    return RetryPolicy(8, jitter=random.Random(0), **values)


def test_waits_double_up_to_the_cap():
    for attempts, longest in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (100_000, 60.0)]:
        waits = [policy().delay_seconds(attempts) for _ in range(50)]
        assert all(longest / 2 <= wait <= longest for wait in waits)


def test_waits_differ_from_one_request_to_the_next():
    one = policy()
    assert len({one.delay_seconds(4) for _ in range(20)}) == 20


@pytest.mark.parametrize("asked", [0.0, 0.5, 30.0, 200.0])
def test_a_service_is_never_asked_sooner_than_it_says(asked):
    one = policy()
    assert all(asked <= one.delay_seconds(attempts, asked) <= asked * 1.1 for attempts in range(1, 9))


def test_what_a_service_may_ask_for_is_bounded():
    assert policy(cap_asked_seconds=600.0).delay_seconds(1, 1e9) <= 660.0
    assert policy().delay_seconds(1, -5.0) == 0.0


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_fails_every_request(status):
    assert is_for_all(RequestRejected("no", status=status))
    assert is_for_all(MissingCredentials("no key"))


@pytest.mark.parametrize(
    "error", [RequestRejected("no", status=400), ServiceUnavailable("busy", status=429), ProviderError("no")]
)
def test_other_failures_concern_their_own_request(error):
    assert not is_for_all(error)
