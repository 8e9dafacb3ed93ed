from __future__ import annotations

import warnings

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tasks.evaluation.catalogue import METRICS
from tests.unit.tasks.evaluation.bench import Bench

ALL = [name for name, metric in METRICS.items() if metric.family == "labels"]
LABELS = st.sampled_from(["pos", "neg", "other", "Ü"])
ASKED = {"predictions": "said", "references": "true"}


def expected(true, said, **given) -> dict[str, float]:
    """What scikit-learn says, asked directly with all rows."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    found = {"accuracy": accuracy_score(true, said)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for average in ("macro", "micro", "weighted"):
            values = precision_recall_fscore_support(true, said, average=average, zero_division=0.0, **given)
            found |= {f"{kind}_{average}": value for kind, value in zip(("precision", "recall", "f1"), values)}  # noqa: B905  # the fourth is the support
    return found


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_the_metrics_of_single_labels_are_those_of_scikit_learn(bench: Bench, pairs):
    true, said = map(list, zip(*pairs, strict=True))
    found = bench.values(bench.table({"true": true, "said": said}), metrics=ALL, **ASKED)
    assert found == pytest.approx(expected(true, said), abs=1e-12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sets(LABELS), st.sets(LABELS)), min_size=1, max_size=20))
def test_the_metrics_of_lists_of_labels_are_those_of_scikit_learn(bench: Bench, pairs):
    from sklearn.preprocessing import MultiLabelBinarizer

    # two labels that are always there keep scikit-learn from taking one for two classes
    pairs = [*pairs, ({"pos", "neg"}, {"pos", "neg"})]
    true, said = ([sorted(one) for one in side] for side in zip(*pairs, strict=True))
    binary = MultiLabelBinarizer().fit([*true, *said])
    table = pl.DataFrame({"true": true, "said": said}, schema=dict.fromkeys(("true", "said"), pl.List(pl.String)))
    found = bench.values(bench.table(table), metrics=ALL, **ASKED)
    assert found == pytest.approx(expected(binary.transform(true), binary.transform(said)), abs=1e-12)


def test_one_label_of_lists_is_not_taken_for_two_classes(bench: Bench):
    table = bench.table({"true": [["x"], ["x"], []], "said": [["x"], [], []]})
    found = bench.values(table, metrics=["f1_macro", "recall_macro", "accuracy"], **ASKED)
    assert found == pytest.approx({"f1_macro": 2 / 3, "recall_macro": 0.5, "accuracy": 2 / 3})


def test_lists_without_any_label_are_accurate_and_have_no_f1(bench: Bench):
    table = bench.table(
        pl.DataFrame({"true": [[], []], "said": [[], []]}, schema=dict.fromkeys(("true", "said"), pl.List(pl.String)))
    )
    assert bench.values(table, metrics=["accuracy", "f1_micro"], **ASKED) == {"accuracy": 1.0, "f1_micro": 0.0}


def test_numbers_that_a_model_wrote_as_texts_are_the_labels_that_they_name(bench: Bench):
    table = bench.table({"true": [0, 1, 2, 10], "said": ["0", "1", "one", "10"]})
    assert bench.values(table, metrics=["accuracy"], **ASKED) == {"accuracy": 0.75}


def test_given_labels_are_all_that_is_averaged_over(bench: Bench):
    true, said = [0, 0, 1, 1, 2], [0, 1, 1, 9, 2]
    table = bench.table({"true": true, "said": said})
    found = bench.values(table, metrics=["f1_macro", "f1_micro"], labels=[0, 1, 5], **ASKED)
    wanted = expected(true, said, labels=[0, 1, 5])
    assert found == pytest.approx({name: wanted[name] for name in ("f1_macro", "f1_micro")})


@pytest.mark.parametrize(
    ("columns", "labels", "error", "fault"),
    [
        ({"true": [["a"]], "said": ["a"]}, [], TableError, "'true' holds lists of labels, and the other single ones"),
        ({"true": [0.5], "said": [0.5]}, [], TableError, "is of type Float64, and labels are texts or whole numbers"),
        ({"true": [True], "said": [1]}, [], TableError, "labels of type Boolean cannot be compared"),
        ({"true": [1], "said": [1]}, ["1"], SettingsError, "the labels of the rows are of type Int64"),
    ],
)
def test_labels_that_cannot_be_compared_are_an_error(bench: Bench, columns, labels, error, fault):
    with pytest.raises(error, match=fault):
        bench.values(bench.table(columns), metrics=["f1_macro"], labels=labels, **ASKED)


def test_the_confusion_matrix_has_every_pair_of_labels_of_every_group(bench: Bench):
    table = bench.table({"true": ["a", "a", "b"], "said": ["a", "b", "b"], "kind": ["x", "y", "y"]})
    made = bench.run(
        "evaluate",
        {"table": table},
        ["scores.parquet", "confusion.parquet"],
        metrics=["accuracy"],
        by=["kind"],
        names=["m"],
        **ASKED,
    )
    found = pl.read_parquet(made["confusion"])
    assert found.columns == ["name", "kind", "reference", "prediction", "rows"]
    assert found.filter(pl.col("kind").is_null())["rows"].to_list() == [1, 1, 0, 1]
    assert found.filter(kind="y")["rows"].to_list() == [0, 1, 0, 1]


def test_the_confusion_of_lists_is_a_small_matrix_for_each_label(bench: Bench):
    table = bench.table({"true": [[1, 2], [2]], "said": [[1], [1, 2]]})
    made = bench.run(
        "evaluate", {"table": table}, ["scores.parquet", "confusion.parquet"], metrics=["accuracy"], **ASKED
    )
    assert pl.read_parquet(made["confusion"]).filter(label=1).rows() == [
        (1, False, False, 0),
        (1, False, True, 1),
        (1, True, False, 0),
        (1, True, True, 1),
    ]


def test_intervals_of_labels_are_those_of_resampled_rows(bench: Bench):
    import numpy as np
    from sklearn.metrics import f1_score

    drawn = np.random.default_rng(5)
    true = drawn.integers(0, 3, 40)
    said = np.where(drawn.random(40) < 0.7, true, drawn.integers(0, 3, 40))
    table = bench.table({"true": true, "said": said})
    (score,) = bench.scores(table, metrics=["f1_macro"], confidence=True, resamples=200, seed=3, **ASKED).to_dicts()
    again = np.random.default_rng(3)
    values = []
    for _ in range(200):
        rows = again.integers(0, 40, 40)
        values.append(f1_score(true[rows], said[rows], average="macro", zero_division=0.0))
    assert (score["low"], score["high"]) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert score["low"] < score["value"] < score["high"]
