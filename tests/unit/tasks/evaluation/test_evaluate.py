from __future__ import annotations

import polars as pl
import pytest

from dreamsmk.errors import DreamsmkError, SettingsError, TableError
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.evaluation.catalogue import METRICS
from dreamsmk.tasks.evaluation.evaluate import columns
from tests.unit.tasks.evaluation.bench import Bench

ROWS = {"said": ["x", "y", "x", "y"], "true": ["x", "x", "x", "y"], "kind": ["p", "q", "q", "p"], "other": ["x"] * 4}
ASKED = {"metrics": ["accuracy"], "predictions": "said", "references": "true"}


def params(**given):
    return validate_params(load_meta("evaluate").params, {"metrics": ["accuracy"], **given}, where="evaluate")


def test_every_metric_of_the_rule_is_in_the_catalogue():
    assert load_meta("evaluate").params["properties"]["metrics"]["items"]["enum"] == list(METRICS)


def test_scores_of_groups_come_after_those_of_all_rows(bench: Bench):
    found = bench.scores(bench.table(ROWS), **ASKED, by=["kind"])
    assert found.columns == ["kind", "metric", "value", "low", "high", "rows"]
    assert found.select("kind", "value", "rows").rows() == [(None, 0.75, 4), ("p", 1.0, 2), ("q", 0.5, 2)]


def test_the_scores_of_a_group_are_those_of_a_table_with_its_rows_alone(bench: Bench):
    words = ["a b c d", "a c", "d c b a", "b b", "c a d", "a"]
    rows = pl.DataFrame({"said": words, "true": words[::-1], "kind": [1, 2] * 3, "part": ["u", "u", "v"] * 2})
    asked = {
        "metrics": ["exact_match", "rougeL", "bleu", "chrf", "accuracy", "f1_macro", "precision_weighted"],
        "predictions": "said",
        "references": "true",
        "confidence": True,
        "resamples": 100,
    }
    whole = bench.scores(bench.table(rows), **asked, by=["kind", "part"])
    for kind, part in rows.select("kind", "part").unique().rows():
        alone = bench.scores(bench.table(rows.filter(kind=kind, part=part), "part.parquet"), **asked)
        assert whole.filter(kind=kind, part=part).drop("kind", "part").equals(alone)


def test_columns_of_one_table_are_compared_by_name_in_the_order_of_the_names(bench: Bench):
    asked = {**ASKED, "predictions": {"base": "other", "SFT": "said"}}
    assert bench.scores(bench.table(ROWS), **asked)["name"].to_list() == ["SFT", "base"]
    found = bench.scores(bench.table(ROWS), **asked, names=["base", "SFT"])
    assert found.select("name", "value").rows() == [("base", 0.75), ("SFT", 0.75)]


def test_tables_are_compared_by_name(bench: Bench):
    other = bench.table({**ROWS, "said": ROWS["true"]}, "other.parquet")
    made = bench.run(
        "evaluate",
        {"table": [bench.table(ROWS), other]},
        ["scores.parquet", "rows.parquet"],
        **ASKED,
        names=["base", "SFT"],
        by=["kind"],
    )
    found = pl.read_parquet(made["scores"])
    assert found.filter(pl.col("kind").is_null()).select("name", "value").rows() == [("base", 0.75), ("SFT", 1.0)]
    rows = pl.read_parquet(made["rows"])
    assert rows.columns == ["name", *ROWS, "accuracy"]
    assert rows["name"].to_list() == ["base"] * 4 + ["SFT"] * 4
    assert rows["accuracy"].to_list() == [1.0, 0.0, 1.0, 1.0] + [1.0] * 4


def test_each_table_may_have_a_model_of_its_own(bench: Bench, tiny_model, tiny_adapter):
    given = {"provider": "transformers", "model": str(tiny_model), "device": "cpu"}
    bench.specs = {"base": ModelSpec(**given), "tuned": ModelSpec(**given, adapter=str(tiny_adapter))}
    tables = [bench.table({"t": ["the of and to"]}, "a.parquet"), bench.table({"t": ["the of and to"]}, "b.parquet")]
    found = bench.scores(
        *tables, metrics=["perplexity"], texts="t", names=["x", "y"], model={"x": "base", "y": "tuned"}
    )
    assert found["value"].n_unique() == 2


@pytest.mark.parametrize(
    ("tables", "given", "where", "fault"),
    [
        (2, {}, "params.names", "2 tables have 0 names"),
        (2, {"names": ["a", "b", "c"]}, "params.names", "2 tables have 3 names"),
        (
            2,
            {"names": ["a", "b"], "predictions": {"a": "said", "b": "other"}},
            "params.predictions",
            "cannot have a column",
        ),
        (1, {"names": ["a", "b"]}, "params.names", "one table has 2 names"),
        (1, {"predictions": {"a": "said"}, "names": ["b"]}, "params.predictions", "the name 'a' is not among"),
        (
            1,
            {"predictions": {"a": "said", "b": "other"}, "model": {"a": "m"}},
            "params.model",
            "the name 'b' is missing",
        ),
    ],
)
def test_names_that_do_not_fit_are_an_error(bench: Bench, tables, given, where, fault):
    paths = [bench.table(ROWS, f"{number}.parquet") for number in range(tables)]
    with pytest.raises(SettingsError, match=fault) as caught:
        bench.scores(*paths, **{**ASKED, **given})
    assert caught.value.where == where


def test_a_cell_without_a_value_is_an_error_that_names_its_row(bench: Bench):
    table = bench.table({"said": ["x", None, "y", None], "true": ["x", "x", None, "y"]})
    with pytest.raises(TableError, match="3 rows have no value in 'true' and 'said'") as caught:
        bench.scores(table, **ASKED)
    assert caught.value.where.endswith("rows 1, 2, 3 (from 0)")
    assert "skip_nulls=True" in caught.value.hint


def test_rows_without_a_value_can_be_left_out_and_are_counted(bench: Bench):
    table = bench.table({"said": ["x", None, "y"], "true": ["x", "x", "x"], "kind": ["p", "p", None]})
    made = bench.run(
        "evaluate",
        {"table": table},
        ["scores.parquet", "rows.parquet"],
        **{**ASKED, "metrics": ["accuracy", "rouge1"]},
        by=["kind"],
        skip_nulls=True,
    )
    found = pl.read_parquet(made["scores"])
    assert found.filter(metric="accuracy").select("kind", "value", "rows").rows() == [(None, 0.5, 2), ("p", 1.0, 1)]
    assert pl.read_parquet(made["rows"])["accuracy"].to_list() == [1.0, None, 0.0]
    assert any("1 row" in note and "are left out" in note for note in bench.notes)


def test_a_row_of_no_group_is_an_error(bench: Bench):
    table = bench.table({**ROWS, "kind": ["p", None, "q", "q"]})
    with pytest.raises(TableError, match="1 rows belong to no group"):
        bench.scores(table, **ASKED, by=["kind"])


def test_no_rows_have_scores_without_a_value(bench: Bench):
    empty = bench.table(pl.DataFrame(ROWS).clear())
    metrics = ["exact_match", "rouge2", "bleu", "chrf", "accuracy", "f1_micro"]
    made = bench.run(
        "evaluate",
        {"table": empty},
        ["scores.parquet", "rows.parquet", "plot.svg", "confusion.parquet"],
        **{**ASKED, "metrics": metrics},
        by=["kind"],
        confidence=True,
    )
    found = pl.read_parquet(made["scores"])
    assert found["metric"].to_list() == metrics
    assert found.select("value", "low", "rows").unique().rows() == [(None, None, 0)]
    full = pl.read_parquet(bench.run("evaluate", {"table": bench.table(ROWS)}, **ASKED, by=["kind"])["scores"])
    assert found.schema == full.schema
    assert pl.read_parquet(made["rows"]).columns == [*ROWS, "exact_match", "rouge2", "bleu", "chrf", "accuracy"]


@pytest.mark.parametrize(
    ("given", "outputs", "error", "fault"),
    [
        ({"references": None}, ["scores.parquet"], SettingsError, "needs a column of references"),
        ({"predictions": None}, ["scores.parquet"], SettingsError, "needs a column of predictions"),
        ({"predictions": "sad"}, ["scores.parquet"], TableError, "no column 'sad'"),
        ({}, ["scores.parquet", "plot.pdf"], SettingsError, "a plot does not end in '.pdf'"),
        ({"metrics": ["exact_match"]}, ["scores.parquet", "rows.parquet"], SettingsError, "called 'exact_match'"),
        ({"by": ["rows"]}, ["scores.parquet"], SettingsError, "the scores have a column 'rows' of their own"),
        ({"by": ["list"]}, ["scores.parquet"], TableError, "no plain value"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_before_anything_is_made(bench: Bench, given, outputs, error, fault):
    table = bench.table({**ROWS, "exact_match": ["x"] * 4, "rows": [1] * 4, "list": [[1]] * 4})
    with pytest.raises(error, match=fault):
        bench.run("evaluate", {"table": table}, outputs, **{**ASKED, **given})
    assert not list(bench.folder.glob("made_*"))


def test_tables_whose_rows_are_written_have_the_same_columns(bench: Bench):
    other = bench.table({**ROWS, "more": [1] * 4}, "other.parquet")
    with pytest.raises(TableError, match="the column 'more' is Int64, and in the first table missing"):
        bench.run(
            "evaluate",
            {"table": [bench.table(ROWS), other]},
            ["scores.parquet", "rows.parquet"],
            **ASKED,
            names=["a", "b"],
        )


def test_groups_of_several_tables_have_one_type(bench: Bench):
    other = bench.table({**ROWS, "kind": [1, 2, 2, 1]}, "other.parquet")
    with pytest.raises(TableError, match="the column 'kind' is of type Int64, and in the first table String"):
        bench.scores(bench.table(ROWS), other, **ASKED, names=["a", "b"], by=["kind"])


def test_the_graph_learns_of_faults_without_a_row():
    with pytest.raises(DreamsmkError, match="no column 'judgement'"):
        columns(params(metrics=["win_rate"]), {"table": ["judgment"]})
    with pytest.raises(SettingsError, match="the name 'b' is missing"):
        columns(params(predictions={"a": "x", "b": "y"}, verdicts={"a": "z"}), {})
    with pytest.raises(SettingsError, match="the scores have a column 'value'"):
        columns(params(by=["value"]), {})


def test_the_order_of_rows_decides_nothing(bench: Bench):
    rows = pl.DataFrame({"said": ["a b", "c d e", "a", "b c d a"], "true": ["a b", "c e", "b", "b c a"]})
    asked = {"metrics": ["rougeL", "bleu", "chrf", "accuracy"], "predictions": "said", "references": "true"}
    found = bench.values(bench.table(rows), **asked)
    assert bench.values(bench.table(rows.reverse()), **asked) == pytest.approx(found, rel=1e-12)


def test_the_record_says_what_was_measured(bench: Bench):
    bench.scores(bench.table(ROWS), **ASKED, names=["m"], by=["kind"])
    assert bench.context.facts["rows"] == 4
    assert bench.context.facts["scores"][1] == {
        "name": "m",
        "kind": "p",
        "metric": "accuracy",
        "value": 1.0,
        "low": None,
        "high": None,
        "rows": 2,
    }
