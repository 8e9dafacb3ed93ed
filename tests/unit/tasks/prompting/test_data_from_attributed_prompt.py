"""The labels of a row are those of its prompt, whatever n is, and a sample stays what it is."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError
from tests.unit.tasks.desk import Desk

RULE = "data_from_attributed_prompt"
ASK: dict[str, Any] = {
    "model": "teacher",
    "instruction": "A {mood} review of a {thing}, in {{JSON}}.",
    "attributes": {"thing": ["kettle", "novel"], "mood": ["glad", "bitter", "dry"]},
}


def write(desk: Desk, **params: Any) -> pl.DataFrame:
    return desk.run(RULE, {}, **{**ASK, **params})["table"]


@pytest.mark.parametrize("n", [1, 4, 6, 7, 13])
def test_the_labels_of_a_row_are_those_of_its_prompt(desk: Desk, n: int) -> None:
    table = write(desk, n=n, keep=["prompts"])
    assert table.height == n
    assert desk.sent() == n
    for row in table.iter_rows(named=True):
        assert row["prompts"] == f"A {row['mood']} review of a {row['thing']}, in {{JSON}}."
        assert row["generations"].endswith(row["prompts"])


def test_all_combinations_are_gone_through_the_last_attribute_first(desk: Desk) -> None:
    table = write(desk)
    assert table.columns == ["thing", "mood", "generations"]
    assert table.select("thing", "mood").rows() == [
        (thing, mood) for thing in ("kettle", "novel") for mood in ("glad", "bitter", "dry")
    ]


def test_raising_n_pays_for_the_new_rows_alone_and_leaves_the_others(desk: Desk) -> None:
    few = write(desk, n=4)
    many = write(desk, n=9)
    assert desk.sent() == 5
    assert many.head(4).equals(few)
    assert many["generations"].n_unique() == 9


def test_a_list_gives_the_combinations_themselves_even_twice(desk: Desk) -> None:
    attributes = [{"mood": "glad", "thing": "cup"}, {"thing": "cup", "mood": "glad"}]
    table = write(desk, attributes=attributes, n=3)
    assert table["mood"].to_list() == ["glad"] * 3
    assert desk.sent() == 3, "rows with the same prompt are samples of it"


def test_values_keep_their_types_and_a_template_may_use_them(desk: Desk) -> None:
    attributes = {"year": [1999, 2024], "is_new": [True], "price": [1, 2.5]}
    template = "{{ year }} {{ 'new' if is_new }} {{ price }}"
    table = write(desk, instruction=None, template=template, attributes=attributes, keep=["prompts"])
    assert dict(table.schema)["year"] == pl.Int64
    assert table.schema["is_new"] == pl.Boolean
    assert table.schema["price"] == pl.Float64
    assert table["prompts"][0] == "1999 new 1"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"instruction": "A {moot} {thing}"}, "place for 'moot'"),
        ({"instruction": "A {mood}"}, "attribute 'thing' has no place"),
        ({"instruction": "A {mood:>3} {thing}"}, "no name"),
        ({"instruction": "A {mood} {thing} {0}"}, "no name"),
        ({"instruction": "A {mood} {thing} {"}, "braces"),
        ({"instruction": None}, "not said"),
        ({"template": "{{ mood }} {{ thing }}"}, "said twice"),
        ({"attributes": [{"mood": "a", "thing": "b"}, {"mood": "a"}]}, "first combination"),
        ({"attributes": {"mood": ["a", 1], "thing": ["b"]}}, "several types"),
        ({"attributes": {"mood": [], "thing": ["b"]}}, "attributes"),
    ],
)
def test_what_is_wrong_is_found_before_a_call_is_made(desk: Desk, params: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        write(desk, **params)
    assert desk.sent() == 0
