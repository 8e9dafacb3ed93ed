"""Budgets stop before they are passed, over all calls of a job and over all jobs of a home."""

import subprocess
import sys

import pytest

from dreamsmk.calls import CachedModel, Tally, outcomes
from dreamsmk.calls.bounds.budget import Amount, Budget, Purse
from dreamsmk.calls.bounds.limits_file import LimitsFile
from dreamsmk.calls.bounds.spending import Spending
from dreamsmk.calls.carriers import Terms
from dreamsmk.errors import BudgetSpent, RequestRejected, SettingsError
from dreamsmk.requests import Sampling
from tests.unit.calls.providers import IDENTITY, Local, Service, request, requests, spec

# A call of these tests takes 5 tokens, and 6 in and 10 out are reserved for it.
TEN = Sampling(max_tokens=10)
PRICES = {"input_usd_per_million": 1_000_000.0, "output_usd_per_million": 1_000_000.0}


def asked(count):
    return [request(f"prompt {i}", sampling=TEN) for i in range(count)]


@pytest.fixture(params=[Service, Local])
def provider(request):
    return request.param(spec(max_concurrency=8, batch_size=2, prices=PRICES))


def run(provider, cache, rows, *purses, tally=None):
    terms = Terms(spending=Spending(provider.spec, purses))
    return list(outcomes(provider, cache, rows, terms=terms, tally=tally))


@pytest.mark.parametrize("budget", [Budget(tokens=200), Budget(usd=200.0), Budget(usd=200.0, tokens=1000)])
def test_a_budget_stops_before_it_is_passed_and_what_was_answered_is_kept(cache, provider, budget):
    purse, tally = Purse(budget), Tally()
    with pytest.raises(BudgetSpent, match="the budget of the job is spent") as caught:
        run(provider, cache, asked(300), purse, tally=tally)
    words = str(caught.value)
    assert "nothing more was sent" in words
    assert "rows have their reply" in words
    assert len(words.splitlines()) <= 3
    assert "the next run asks only for what is missing" in words
    # Nearly all of it was used: what is in flight is waited for before it is given up.
    assert 180 < tally.sent_tokens <= 200
    assert purse.total().tokens == tally.sent_tokens
    again = Tally()
    more = Purse(Budget(tokens=5000))
    assert len(run(provider, cache, asked(300), more, tally=again)) == 300
    assert again.sent == 300 - tally.sent


def test_hits_cost_nothing(cache, provider):
    run(provider, cache, asked(20), Purse(Budget(tokens=1000)))
    assert len(run(provider, cache, asked(20), Purse(Budget(tokens=0)))) == 20


def test_a_budget_that_is_large_enough_is_no_hindrance(cache, provider):
    purse = Purse(Budget(tokens=100_000, usd=100_000.0))
    assert len(run(provider, cache, asked(200), purse)) == 200
    assert purse.total() == Amount(1000.0, 1000.0)


def test_a_call_that_fails_costs_nothing(cache, provider):
    provider.fails = lambda prompt, *attempt: RequestRejected("no") if prompt == "prompt 3" else None
    purse = Purse(Budget(tokens=10_000))
    with pytest.raises(RequestRejected):
        run(provider, cache, asked(10), purse)
    assert purse.total().tokens == 45


def test_rows_that_were_not_sent_are_no_failures(cache, provider):
    failed = []
    terms = Terms(spending=Spending(provider.spec, [Purse(Budget(tokens=100))]))
    with pytest.raises(BudgetSpent):
        list(outcomes(provider, cache, asked(50), terms=terms, sink=failed.append, max_failures=0.9))
    assert failed == []


def test_each_of_two_budgets_holds(cache, provider):
    wide, narrow = Purse(Budget(tokens=10_000), "workflow"), Purse(Budget(tokens=100))
    with pytest.raises(BudgetSpent, match="of the job"):
        run(provider, cache, asked(50), wide, narrow)
    assert wide.total() == narrow.total()


def test_a_budget_in_money_needs_a_price_before_anything_is_sent(cache):
    service = Service(spec(provider="openai", model="nobody-knows-it"))
    with pytest.raises(SettingsError, match="no price is known") as caught:
        run(service, cache, asked(5), Purse(Budget(usd=5.0)))
    assert "prices" in str(caught.value)
    assert not service.attempts


def test_a_local_model_costs_tokens_and_no_money(cache):
    local = Local(spec(provider="transformers", batch_size=2))
    purse = Purse(Budget(usd=0.0, tokens=10_000))
    assert len(run(local, cache, asked(20), purse)) == 20
    assert purse.total() == Amount(0.0, 100.0)


def test_a_budget_of_the_workflow_counts_over_the_life_of_its_file(cache, tmp_path):
    def purse():
        return Purse(Budget(tokens=300), "workflow", LimitsFile(tmp_path / "limits.db"))

    first = purse()
    run(Service(), cache, asked(40), first)
    first.close()
    assert purse().total().tokens == 200
    second, tally = purse(), Tally()
    with pytest.raises(BudgetSpent, match="of the workflow"):
        run(Service(), cache, asked(200), second, tally=tally)
    second.close()
    assert 80 < tally.sent_tokens <= 100


def test_what_is_taken_ahead_is_given_back(tmp_path):
    one, other = (Purse(Budget(tokens=1000), "workflow", LimitsFile(tmp_path / "limits.db")) for _ in range(2))
    assert one.reserve(Amount(0.0, 10.0))
    # At most a sixteenth of what is left, beside the ten that are wanted.
    assert 10 <= other.total().tokens <= 10 + 1000 / 16
    one.settle(Amount(0.0, 10.0), Amount(0.0, 7.0))
    one.close()
    assert other.total().tokens == 7
    assert other.reserve(Amount(0.0, 993.0))
    assert not other.reserve(Amount(0.0, 1.0))
    other.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from dreamsmk.calls.bounds.budget import Amount, Budget, Purse
from dreamsmk.calls.bounds.limits_file import LimitsFile
purse = Purse(Budget(tokens=10_000), "workflow", LimitsFile(Path(sys.argv[1])))
assert purse.reserve(Amount(0.0, 100.0))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_taken_counts_as_spent(tmp_path):
    path = tmp_path / "limits.db"
    for _ in range(3):
        subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=30)
    purse = Purse(Budget(tokens=10_000), "workflow", LimitsFile(path))
    assert 300 <= purse.total().tokens <= 300 + 3 * 10_000 / 16
    purse.close()
    file = LimitsFile(path)
    rows = file.changing(lambda connection: connection.execute("SELECT owner FROM spending").fetchall())
    assert rows == [("",)]
    file.close()


RUN = """
import sys
from pathlib import Path
from dreamsmk.calls import CachedModel, SqliteCallCache
from dreamsmk.calls.bounds.budget import Budget, Purse
from dreamsmk.calls.bounds.limits_file import LimitsFile
from dreamsmk.errors import BudgetSpent
from tests.unit.calls.providers import IDENTITY, Service, spec

folder, name = Path(sys.argv[1]), sys.argv[2]
purse = Purse(Budget(tokens=1000), "workflow", LimitsFile(folder / "limits.db"))
with SqliteCallCache(folder / f"{name}.db") as cache:
    model = CachedModel("m", spec(max_concurrency=4), IDENTITY, cache, purses=[purse], provider_type=Service)
    try:
        list(model.answer(model.requests([f"{name} {i}" for i in range(300)], max_tokens=10)))
    except BudgetSpent:
        pass
    model.close()
purse.close()
print(model.tally.sent_tokens)
"""


def test_two_processes_stay_within_one_budget_together(tmp_path):
    runs = [
        subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    spent = [int(run.communicate(timeout=60)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert 700 < sum(spent) <= 1000


def test_a_model_holds_its_budgets(cache):
    purse = Purse(Budget.of({"tokens": 100}))
    model = CachedModel("teacher", spec(), IDENTITY, cache, purses=[purse], provider_type=Service)
    with pytest.raises(BudgetSpent):
        list(model.answer(model.requests([f"prompt {i}" for i in range(100)], max_tokens=10)))
    model.close()
    assert Budget.of({}) is None
    assert Budget.of(None) is None


def test_a_run_without_a_budget_reserves_nothing(cache):
    assert len(list(outcomes(Service(), cache, requests(5)))) == 5
