"""Repeated rows, and rows of nearly the same text."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsmk.errors import DreamsmkError, SettingsError, TableError
from dreamsmk.tasks.shaping.near_duplicates import band_rows
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.shaping.awkward import EVERY_TYPE

# Shingles of one word, so that the likeness of two texts can be read off them.
WORDS = {"column": "text", "size": 1, "threshold": 0.5}
TEXTS = [
    "one two three four",
    "something else altogether here",
    "Three, two -- ONE; four!",  # the same words as row 0
    "one two three five",  # 3 of 5 words are those of row 0
    "three five six seven",  # 2 of 6 words are those of row 0, 2 of 6 those of row 3
    None,
    "something else altogether here",  # row 1 again
    None,
    "",
    "",
    "…!",  # no words
    "five three two one",  # the same words as row 3, which is a duplicate of row 0
]


def made(desk: Desk, table: Any, /, **params: Any) -> pl.DataFrame:
    return desk.run("deduplicate", {"table": desk.table(table)}, **params)["table"]


def test_the_first_of_equal_rows_stays_and_rows_keep_their_order(desk: Desk) -> None:
    table = {"a": [2, 1, 2, None, 1, None], "b": ["x", "y", "x", None, "z", None]}
    assert made(desk, table).rows() == [(2, "x"), (1, "y"), (None, None), (1, "z")]
    assert desk.facts == {"rows": 4, "duplicate_rows": 2}
    assert made(desk, table, columns=["a"]).rows() == [(2, "x"), (1, "y"), (None, None)]


def test_duplicates_are_marked_with_the_row_that_they_repeat(desk: Desk) -> None:
    table = {"a": [2, 1, 2, 2, 1]}
    assert made(desk, table, mark="duplicate_of")["duplicate_of"].to_list() == [None, None, 0, 0, 1]
    assert desk.facts == {"rows": 5, "duplicate_rows": 3}


def test_rows_of_every_type_are_told_apart(desk: Desk) -> None:
    table = pl.DataFrame(EVERY_TYPE)
    assert made(desk, pl.concat([table] * 3)).equals(table)
    for name in table.columns:
        values = table.select(name)
        twice = made(desk, pl.concat([values, values]), columns=[name])
        assert twice.equals(values.unique(maintain_order=True)), name


cells = st.none() | st.lists(st.none() | st.lists(st.sampled_from(["", "a", "ab", "b", None]), max_size=2), max_size=2)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(cells, st.none() | st.text(max_size=2)), max_size=30))
def test_nested_values_that_look_alike_are_told_apart(
    desk_of_examples: Desk, rows: list[tuple[Any, str | None]]
) -> None:
    schema = {"list": pl.List(pl.List(pl.String)), "text": pl.String}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    expected = [row for at, row in enumerate(table.rows()) if row not in table.rows()[:at]]
    assert made(desk_of_examples, table).rows() == expected


@pytest.fixture(scope="module")
def desk_of_examples(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk that outlives an example."""
    return Desk(tmp_path_factory.mktemp("deduplicate"))


def test_a_row_is_nearly_that_of_an_earlier_row_that_stays(desk: Desk) -> None:
    marked = made(desk, {"text": TEXTS}, near=WORDS, mark="like")["like"].to_list()
    assert marked == [None, None, 0, 0, None, None, 1, None, None, 8, None, 0]
    kept = made(desk, {"text": TEXTS, "row": range(len(TEXTS))}, near=WORDS)["row"].to_list()
    assert kept == [0, 1, 4, 5, 7, 8, 10]
    assert desk.facts == {"rows": 7, "duplicate_rows": 5}


def test_the_threshold_decides_what_is_near(desk: Desk) -> None:
    base = [f"w{number}" for number in range(100)]
    # 90 of 110 words, 80 of 120 and 50 of 150 are the same: 0.82, 0.67 and 0.33
    texts = [
        " ".join(base),
        *(" ".join(base[:same] + [f"x{same}_{n}" for n in range(100 - same)]) for same in (90, 80, 50)),
    ]
    for threshold, kept in ((0.9, [0, 1, 2, 3]), (0.74, [0, 2, 3]), (0.5, [0, 3]), (0.2, [0])):
        near = {"column": "text", "size": 1, "threshold": threshold, "permutations": 512}
        assert made(desk, {"text": texts, "row": range(4)}, near=near)["row"].to_list() == kept, threshold


def test_shingles_may_be_of_characters(desk: Desk) -> None:
    near = {"column": "text", "shingle": "characters", "size": 2, "threshold": 0.6}
    texts = ["東京都に住んでいる人", "東京都に住んでいた人", "大阪府に行ったことがある"]
    assert made(desk, {"text": texts}, near=near)["text"].to_list() == [texts[0], texts[2]]
    assert made(desk, {"text": ["a  b\n c", "A B C", "x"]}, near=near)["text"].to_list() == ["a  b\n c", "x"]


def test_words_that_run_on_are_one_shingle_with_those_before(desk: Desk) -> None:
    table = {"text": ["a b c d", "d c b a"]}
    assert made(desk, table, near={"column": "text", "size": 1}).height == 1
    assert made(desk, table, near={"column": "text", "size": 2}).height == 2
    # shorter than a shingle: the whole text is one
    assert made(desk, {"text": ["a b", "A, b", "b a"]}, near={"column": "text", "size": 5}).height == 2


def test_a_seed_gives_the_same_rows_every_time(desk: Desk) -> None:
    words = [f"w{number * 7919 % 97}" for number in range(3000)]
    table = {"text": [" ".join(words[at : at + 12]) for at in range(0, 2900, 3)]}
    near = {"column": "text", "size": 2, "threshold": 0.5, "seed": 3}
    first = made(desk, table, near=near)
    assert 1 < first.height < 900
    assert made(desk, table, near=near).equals(first)


def test_a_band_is_as_long_as_still_finds_what_is_at_the_threshold() -> None:
    for threshold in (0.2, 0.5, 0.8, 0.95, 1.0):
        rows = band_rows(threshold, 128)
        assert 1 - (1 - threshold**rows) ** (128 // rows) >= 0.98
    assert [band_rows(threshold, 128) for threshold in (0.5, 0.8, 1.0)] == [3, 6, 128]


def test_an_empty_table_and_one_without_words_stay(desk: Desk) -> None:
    empty = pl.DataFrame(schema={"text": pl.String, "n": pl.List(pl.Int8)})
    assert made(desk, empty, near=WORDS).equals(empty)
    assert made(desk, {"text": [None, "?"]}, near=WORDS).height == 2
    assert made(desk, empty, mark="of").schema == {**empty.schema, "of": pl.Int64}


@pytest.mark.parametrize(
    ("params", "kind", "said"),
    [
        ({"columns": ["txt"]}, TableError, ["no column 'txt'", "text"]),
        ({"near": {"column": "txt"}}, TableError, ["no column 'txt'", "text"]),
        ({"near": {"column": "n"}}, TableError, ["'n' is of type Int64, and not text"]),
        ({"near": {"column": "text"}, "columns": ["n"]}, SettingsError, ["either columns or near"]),
        ({"near": {"column": "text", "threshold": 0}}, SettingsError, ["threshold"]),
        ({"near": {"column": "text", "tresh": 1}}, SettingsError, ["tresh"]),
        ({"mark": "n"}, SettingsError, ["has a column 'n' already", "params.mark"]),
    ],
)
def test_what_is_wrong_is_said(desk: Desk, params: dict[str, Any], kind: type[DreamsmkError], said: list[str]) -> None:
    with pytest.raises(kind) as caught:
        made(desk, {"text": ["a"], "n": [1]}, **params)
    assert all(part in str(caught.value) for part in said)
