"""Every row gets the scores of the same labels, and the best of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError, TableError
from dreamsmk.settings import ModelSpec
from tests.tiny.encoders import make_tiny_classifier
from tests.unit.tasks.desk import Desk

LABELS = ["good", "bad", "fair"]


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.specs["judge"] = ModelSpec(provider="echo", model="judge", options={"labels": LABELS, "fail_on": "poison"})
    return desk


def judge(desk: Desk, texts: Any, /, **params: Any) -> pl.DataFrame:
    table = desk.table({"text": texts})
    return desk.run("run_task_model", {"table": table}, **{"model": "judge", "texts": "text", **params})["table"]


def test_each_row_has_a_score_for_each_label_and_the_best_of_them(desk: Desk) -> None:
    texts = [f"text {row % 50}" for row in range(2500)]
    table = judge(desk, texts)
    assert table.columns == ["text", "label", "scores"]
    assert table["text"].to_list() == texts
    assert table.schema["scores"] == pl.Struct(dict.fromkeys(sorted(LABELS), pl.Float64))
    for _, label, scores in table.iter_rows():
        assert scores[label] == max(scores.values())
        assert sum(scores.values()) == pytest.approx(1.0)
    assert desk.sent() == 50
    assert table["label"].n_unique() == 3


def test_scores_may_be_columns_where_the_labels_are_named(desk: Desk) -> None:
    struct = judge(desk, ["a", "b"])
    table = judge(desk, ["a", "b"], labels=LABELS, layout="columns", columns={"label": "mood"})
    assert table.columns == ["text", "mood", *LABELS]
    assert desk.sent() == 0
    assert table.select(sorted(LABELS)).to_dicts() == struct["scores"].to_list()
    with pytest.raises(SettingsError, match="labels are not known"):
        judge(desk, ["a"], layout="columns")


def test_a_model_with_other_labels_than_those_named_is_refused(desk: Desk) -> None:
    with pytest.raises(ProviderError, match="scores no label 'fine'"):
        judge(desk, ["a"], labels=["good", "bad", "fine", "fair"])
    with pytest.raises(ProviderError, match="scores a label 'fair' as well"):
        judge(desk, ["a"], labels=["good", "bad"])


def test_a_table_without_rows_has_the_same_columns(desk: Desk) -> None:
    none = pl.Series([], dtype=pl.String)
    assert judge(desk, none).schema == judge(desk, ["a"]).schema
    assert judge(desk, none, labels=LABELS).schema == judge(desk, ["a"], labels=LABELS).schema
    assert not judge(desk, none, labels=LABELS, layout="columns").height
    assert not desk.models["judge"].tally.requests


def test_rows_without_a_text_are_named_or_kept_and_failures_say_why(desk: Desk) -> None:
    with pytest.raises(TableError, match="1 empty cells"):
        judge(desk, ["a", None])
    table = judge(desk, ["a", None, "poison"], nulls="keep", max_failures=1)
    assert table["label"].is_null().to_list() == [False, True, True]
    assert table["scores"].is_null().to_list() == [False, True, True]
    assert table["failure"].is_null().to_list() == [True, True, False]
    assert table["failure"][2].startswith("rejected: ")


def test_a_classifier_scores_its_own_labels_and_a_long_text_is_no_silent_cut(desk: Desk, tmp_path: Path) -> None:
    folder = make_tiny_classifier(tmp_path / "classifier")
    desk.specs["judge"] = ModelSpec(provider="classifier", model=str(folder), device="cpu")
    table = judge(desk, ["the of and", "it", "the of and"], labels=["good", "fair", "bad"])
    assert list(table["scores"][0]) == ["good", "fair", "bad"]
    assert desk.sent() == 2
    with pytest.raises(ProviderError, match="longer than the model reads"):
        judge(desk, ["the " * 40])
    judge(desk, ["the " * 40], truncate=True)
    assert desk.facts["truncated"] == 1
