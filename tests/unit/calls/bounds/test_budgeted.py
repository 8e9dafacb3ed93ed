import math

import pytest

from dreamsmk.calls.bounds.budget import Budget, Purse
from dreamsmk.calls.bounds.budgeted import BudgetedCarrier
from dreamsmk.calls.bounds.spending import Spending
from dreamsmk.calls.call import Call
from dreamsmk.calls.local import LocalBatches
from dreamsmk.errors import BudgetSpent
from dreamsmk.requests import Sampling
from tests.unit.calls.providers import Local, request


@pytest.fixture
def local():
    return Local()


def calls(count):
    return [Call(f"key {i}", request(f"prompt {i}", sampling=Sampling(max_tokens=10)), b"") for i in range(count)]


def carrier_of(local, tokens):
    purse = Purse(Budget(tokens=tokens))
    carrier = LocalBatches(local, lambda call: None)
    return BudgetedCarrier(carrier, Spending(local.spec, [purse])), purse


def test_what_fits_is_carried_and_the_first_that_does_not_ends_it(local):
    carrier, purse = carrier_of(local, 100)
    carrier.submit(calls(50))
    assert not carrier.has_room()
    done = []
    while not carrier.is_stopped:
        done += carrier.collect(wait_seconds=math.inf)
    assert isinstance(done[-1].error, BudgetSpent)
    assert all(call.response is not None for call in done[:-1])
    assert len(done) - 1 == len(local.generated) == 100 // 16
    assert purse.total().tokens == 5 * (len(done) - 1)


def test_what_is_dropped_is_given_back(local):
    carrier, purse = carrier_of(local, 1000)
    carrier.submit(calls(20))
    assert purse.total().tokens > 300
    carrier.stop(None)
    assert carrier.is_stopped
    assert purse.total().tokens == 0
