from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.tasks.evaluation.intervals import bootstrap, wilson


def mean_of(numbers):
    return lambda rows: [float(numbers[rows].mean())]


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide():
    numbers = np.random.default_rng(0).normal(5, 2, 400)
    ((low, high),) = bootstrap(mean_of(numbers), np.arange(400), resamples=2000, seed=1)
    wide = 1.96 * numbers.std() / 20
    assert (low, high) == pytest.approx((numbers.mean() - wide, numbers.mean() + wide), abs=0.03)


def test_an_interval_is_the_same_each_time_and_another_with_another_seed():
    numbers = np.random.default_rng(0).normal(size=30)
    found = [bootstrap(mean_of(numbers), np.arange(30), resamples=100, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_only_the_rows_that_are_asked_about_are_drawn():
    numbers = np.array([0.0, 0.0, 1.0, 1.0])
    assert bootstrap(mean_of(numbers), np.array([2, 3]), resamples=100, seed=0) == [(1.0, 1.0)]


@pytest.mark.parametrize(
    ("wins", "trials", "expected"),
    # R's binom::binom.wilson
    [(0, 10, (0.0, 0.2775328)), (5, 10, (0.2365931, 0.7634069)), (81, 263, (0.2552, 0.3662))],
)
def test_the_wilson_interval_is_the_one_of_the_literature(wins, trials, expected):
    assert wilson(wins, trials) == pytest.approx(expected, abs=1e-4)


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, 2 * n), st.just(n))))
def test_the_wilson_interval_holds_the_share_and_stays_within_0_and_1(halves_of):
    halves, trials = halves_of
    low, high = wilson(halves / 2, trials)
    assert 0 <= low <= halves / 2 / trials + 1e-12
    assert halves / 2 / trials - 1e-12 <= high <= 1
