from __future__ import annotations

from collections import Counter

import pytest

from dreamsmk.errors import TrainingError
from dreamsmk.tasks.training.rows.contrasts import MOST_ROWS, contrasting_pairs

TEXTS = ["a", "b", "c", "d"]
KINDS = [[1, 0], [1, 0], [1, 0], [0, 1]]


def drawn(texts=TEXTS, targets=KINDS, *, sampling="unique", iterations=None, seed=1) -> list[tuple[str, str, float]]:
    return contrasting_pairs(
        texts, targets, sampling=sampling, iterations=iterations, seed=seed, where="rows.csv"
    ).rows()


def test_each_pair_is_there_once_and_says_whether_the_labels_are_shared():
    found = drawn()
    assert len(set(found)) == len(found) == 10
    assert {(first, second) for first, second, label in found if label} == {
        *(("a", "a"), ("a", "b"), ("a", "c"), ("b", "b"), ("b", "c"), ("c", "c"), ("d", "d"))
    }


@pytest.mark.parametrize(
    ("sampling", "iterations", "counts"),
    [
        ("unique", None, {1.0: 7, 0.0: 3}),
        ("oversampling", None, {1.0: 7, 0.0: 7}),
        ("undersampling", None, {1.0: 3, 0.0: 3}),
        ("unique", 5, {1.0: 20, 0.0: 20}),
    ],
)
def test_there_are_as_many_of_each_kind_as_is_asked(sampling, iterations, counts):
    found = drawn(sampling=sampling, iterations=iterations)
    assert Counter(label for _, _, label in found) == counts
    assert {pair for pair in found if not pair[2]} == {("a", "d", 0.0), ("b", "d", 0.0), ("c", "d", 0.0)}


def test_setfit_draws_as_many_pairs_of_each_kind():
    from setfit.sampler import ContrastiveDataset

    for sampling in ("unique", "oversampling", "undersampling"):
        theirs = ContrastiveDataset(TEXTS, [0, 0, 0, 1], multilabel=False, sampling_strategy=sampling)
        assert Counter(pair["label"] for pair in theirs) == Counter(pair[2] for pair in drawn(sampling=sampling))


def test_one_of_several_labels_in_common_is_enough_and_no_label_is_nothing_in_common():
    found = drawn(["a", "b", "none"], [[1, 1], [0, 1], [0, 0]])
    assert ("a", "b", 1.0) in found
    assert ("none", "none", 1.0) not in found
    assert ("none", "none", 0.0) not in found
    assert {("a", "none", 0.0), ("b", "none", 0.0)} <= set(found)


def test_the_seed_decides_which_pairs_are_left_out():
    texts = [f"{row}" for row in range(12)]
    targets = [[row % 2, 1 - row % 2] for row in range(12)]
    given = {"sampling": "undersampling"}
    assert drawn(texts, targets, seed=1, **given) == drawn(texts, targets, seed=1, **given)
    assert set(drawn(texts, targets, seed=1, **given)) != set(drawn(texts, targets, seed=2, **given))


def test_what_makes_no_pairs_or_too_many_is_refused():
    with pytest.raises(TrainingError, match=r"no two rows have other labels(.|\n)*rows\.csv"):
        drawn(["a", "b"], [[1, 0], [1, 0]])
    with pytest.raises(TrainingError, match="pairs are made of 5000 at most"):
        drawn(["a"] * (MOST_ROWS + 1), [[1]] * (MOST_ROWS + 1))
    with pytest.raises(TrainingError, match="num_iterations: 20"):
        drawn(["a", "b"] * 1100, [[1, 0], [0, 1]] * 1100)
