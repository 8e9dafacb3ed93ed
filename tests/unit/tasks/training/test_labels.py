from __future__ import annotations

import polars as pl
import pytest

from dreamsmk.errors import TableError, TrainingError
from dreamsmk.tasks.training.rows.labels import LabelSet, read_labels


def labels_of(tmp_path, values, name="rows.parquet"):
    pl.DataFrame({"label": values}).write_parquet(tmp_path / name)
    return read_labels(tmp_path / name, "label")


def test_labels_are_sorted_and_numbers_by_their_value(tmp_path):
    assert LabelSet.of(labels_of(tmp_path, [10, 9, 10, -1])).labels == (-1, 9, 10)
    assert LabelSet.of(labels_of(tmp_path, ["b", "a", "b"])).labels == ("a", "b")
    assert LabelSet.of(labels_of(tmp_path, [True, False])).names == {0: "False", 1: "True"}


def test_the_order_of_rows_changes_no_label(tmp_path):
    assert LabelSet.of(labels_of(tmp_path, ["b", "a"])) == LabelSet.of(labels_of(tmp_path, ["a", "b", "a"]))


def test_a_row_of_one_label_has_the_index_of_its_label(tmp_path):
    found = labels_of(tmp_path, ["b", "a", "c"])
    assert LabelSet.of(found).targets(found) == [1, 0, 2]


def test_a_row_of_several_labels_has_a_number_for_each(tmp_path):
    found = labels_of(tmp_path, [["b", "a"], [], ["c"]])
    known = LabelSet.of(found)
    assert known.problem_type == "multi_label_classification"
    assert known.targets(found) == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_labels_that_only_validation_rows_have_are_told_with_their_rows(tmp_path):
    known = LabelSet.of(labels_of(tmp_path, ["a", "b"]))
    with pytest.raises(TrainingError, match=r"2 rows have labels that no row to learn from has: c, d(.|\n)*rows 1, 3 "):
        known.targets(labels_of(tmp_path, ["a", "c", "b", "d"], "validation.parquet"))


def test_one_label_is_nothing_to_tell_apart(tmp_path):
    with pytest.raises(TrainingError, match="1 labels"):
        LabelSet.of(labels_of(tmp_path, ["a", "a"]))


@pytest.mark.parametrize("values", [[0.5, 1.0], [[0.5]], [{"a": 1}]], ids=["float", "floats", "struct"])
def test_labels_of_other_types_are_refused(tmp_path, values):
    with pytest.raises(TableError, match=r"of type(.|\n)*whole numbers, texts"):
        labels_of(tmp_path, values)


@pytest.mark.parametrize("values", [["a", None], [["a"], None], [["a"], ["b", None]]])
def test_empty_cells_are_told_with_their_rows(tmp_path, values):
    with pytest.raises(TableError, match=r"empty cells(.|\n)*row 1 "):
        labels_of(tmp_path, values)


def test_categories_are_texts(tmp_path):
    found = labels_of(tmp_path, pl.Series(["b", "a"], dtype=pl.Categorical))
    assert LabelSet.of(found).labels == ("a", "b")
