"""Folders that `datasets` saved become tables, whatever is in their features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError
from tests.unit.tasks.sources.place import Place

FEATURES = datasets.Features(
    {
        "text": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["bad", "good"]),
        "many": datasets.List(datasets.ClassLabel(names=["x", "y"])),
        "more": {"label": datasets.ClassLabel(names=["no", "yes"]), "n": datasets.Value("int8")},
        "matrix": datasets.Array2D((2, 2), "int32"),
    }
)
ROW = {
    "text": "ü",
    "label": 1,
    "many": [1, 0],
    "more": {"label": 0, "n": 3},
    "matrix": [[1, 2], [3, 4]],
}


def saved(place: Place, rows: list[dict[str, Any]], name: str = "saved") -> Path:
    columns = {key: [row[key] for row in rows] for key in FEATURES}
    datasets.Dataset.from_dict(columns, features=FEATURES).save_to_disk(place.folder / name)
    return place.folder / name


def load(place: Place, folder: Path, **params: Any) -> pl.DataFrame:
    return place.table("load_disk", {"folder": [folder]}, **params)


def test_every_feature_keeps_its_values(place: Place) -> None:
    folder = saved(place, [ROW])
    named = {"label": "good", "many": ["y", "x"], "more": {"label": "no", "n": 3}}
    assert load(place, folder).to_dicts() == [ROW | named]
    assert load(place, folder, labels="numbers").to_dicts() == [ROW]
    assert load(place, folder, columns=["more", "text"]).columns == ["more", "text"]
    with pytest.raises(TableError, match=r"no column 'txt'\n.*\nhint: did you mean 'text'"):
        load(place, folder, columns=["txt"])


def test_a_label_that_is_kept_secret_is_null(place: Place) -> None:
    rows = [ROW | {"label": -1}, ROW | {"label": None, "many": None, "more": None}]
    made = load(place, saved(place, rows))
    assert made["label"].to_list() == [None, None]
    assert made["many"].to_list() == [["y", "x"], None]


def test_lists_of_labels_of_a_fixed_length_have_names_too(place: Place) -> None:
    label = datasets.ClassLabel(names=["no", "yes"])
    features = datasets.Features({"pair": datasets.List(label, length=2), "deep": datasets.List([label])})
    rows = {"pair": [[0, 1], None], "deep": [[[1]], []]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(place.folder / "pairs")
    made = load(place, place.folder / "pairs")
    assert made.schema["pair"] == pl.Array(pl.String, 2)
    assert made.rows() == [(["no", "yes"], [["yes"]]), (None, [])]


def test_a_folder_without_rows_keeps_its_types(place: Place) -> None:
    empty = load(place, saved(place, [], "empty"))
    assert empty.height == 0
    assert empty.schema == load(place, saved(place, [ROW])).schema


def test_rows_keep_their_order_also_where_a_selection_was_saved(place: Place) -> None:
    rows = datasets.Dataset.from_dict({"n": range(2500)}).select(range(2499, -1, -2))
    rows.save_to_disk(place.folder / "chosen", num_shards=3)
    assert load(place, place.folder / "chosen")["n"].to_list() == list(range(2499, -1, -2))


def test_a_split_is_chosen(place: Place) -> None:
    parts = {name: datasets.Dataset.from_dict({"n": [number]}) for number, name in enumerate(["train", "test"])}
    datasets.DatasetDict(parts).save_to_disk(place.folder / "several")
    assert load(place, place.folder / "several", split="test")["n"].to_list() == [1]
    with pytest.raises(SettingsError, match="the data set has 2 splits"):
        load(place, place.folder / "several")
    with pytest.raises(TableError, match="one data set, without splits"):
        load(place, saved(place, [ROW]), split="train")


def test_what_is_no_such_folder_is_an_error(place: Place) -> None:
    folder = saved(place, [ROW])
    (folder / "data-00000-of-00001.arrow").write_bytes(b"damaged")
    place.file("plain/a.txt", "x")
    for wrong in (folder, place.folder / "plain", place.folder / "gone"):
        with pytest.raises(TableError, match="not a datasets folder") as caught:
            load(place, wrong)
        assert caught.value.where == str(wrong)


def test_a_folder_that_names_a_file_elsewhere_is_an_error(place: Place) -> None:
    folder = saved(place, [ROW])
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"_data_files": [{"filename": "../other.arrow"}]}))
    with pytest.raises(TableError, match="names a file outside its folder"):
        load(place, folder)
