"""Rows that share text with an evaluation set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsmk.errors import DreamsmkError, SettingsError, TableError
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.shaping.ngrams import Known, words_of
from tests.unit.tasks.desk import Desk

QUESTIONS = {"question": ["How many moons does Mars have?", "Short one."], "answer": ["Two moons, both small.", None]}
RIDDLES = {"text": ["What walks on four legs in the morning?"], "n": [1]}
TEXTS = [
    "I like Mars.",
    "He asked: how many MOONS -- does (Mars) have...",
    None,
    "how many moons does the planet have",
    "what walks on four legs? And how many moons does Mars have?",
    "",
    "Mars? Two moons; both small",
]


def made(desk: Desk, table: Any = None, /, **params: Any) -> pl.DataFrame:
    evaluation = [desk.table(QUESTIONS, "questions.parquet"), desk.table(RIDDLES, "riddles.parquet")]
    path = desk.table({"text": TEXTS, "row": range(len(TEXTS))} if table is None else table)
    inputs = {"table": path, "evaluation": evaluation}
    return desk.run("decontaminate", inputs, **{"columns": ["text"], "n": 4, **params})["table"]


def test_rows_with_a_run_of_words_of_an_evaluation_set_are_left_out(desk: Desk) -> None:
    assert made(desk)["row"].to_list() == [0, 2, 5]
    assert made(desk, n=5)["row"].to_list() == [0, 2, 3, 5, 6]


def test_what_each_evaluation_set_found_is_a_fact(desk: Desk) -> None:
    made(desk)
    sets = desk.facts.pop("evaluation_sets")
    assert desk.facts == {"rows": 3, "contaminated_rows": 4}
    assert [(each["name"], each["contaminated_rows"], each["texts"], each["short_texts"]) for each in sets] == [
        ("questions", 4, 3, 1),
        ("riddles", 1, 1, 0),
    ]
    assert [each["ngrams"] for each in sets] == [4, 5]


def test_rows_are_marked_with_the_sets_that_they_share_text_with(desk: Desk) -> None:
    marked = made(desk, mark="seen_in")
    assert marked["seen_in"].to_list() == [
        [],
        ["questions"],
        [],
        ["questions"],
        ["questions", "riddles"],
        [],
        ["questions"],
    ]
    assert marked.schema["seen_in"] == pl.List(pl.String)
    assert desk.facts["rows"] == len(TEXTS)


def test_what_the_sets_are_called_decides_a_marked_table_and_no_other(desk: Desk) -> None:
    meta = load_meta("decontaminate")
    names, evaluation = meta.load_extra_identity(), [Path("a/exam.parquet"), Path("b/exam.parquet"), Path("quiz.csv")]
    assert names is not None
    for mark, found in ((None, {}), ("found_in", {"names": ["a/exam.parquet", "b/exam.parquet", "quiz"]})):
        params = validate_params(meta.params, {"columns": ["text"], "mark": mark}, where="decontaminate")
        assert names(desk.folder, {"evaluation": evaluation}, {}, params) == found


def test_only_the_named_columns_are_compared(desk: Desk) -> None:
    table = {"a": ["how many moons does", "x"], "b": ["y", "walks on four legs"]}
    assert made(desk, table, columns=["a"]).rows() == [("x", "walks on four legs")]
    assert made(desk, table, columns=["a", "b"]).height == 0
    with pytest.raises(TableError, match="no column 'question'"):
        made(desk, evaluation_columns=["question"])


def test_a_run_does_not_go_on_from_one_text_into_the_next(desk: Desk) -> None:
    assert made(desk, {"text": ["how many", "moons does"]}).height == 2
    assert made(desk, {"text": ["have two moons both"]}).height == 1


def test_thirteen_words_are_the_default(desk: Desk) -> None:
    words = " ".join(f"w{n}" for n in range(13))
    evaluation = desk.table({"text": [words]}, "evaluation.parquet")
    table = desk.table({"text": [f"a {words} b", words.removesuffix(" w12"), words.upper()]})
    inputs = {"table": table, "evaluation": evaluation}
    assert desk.run("decontaminate", inputs, columns=["text"])["table"].height == 1


def test_an_empty_table_keeps_its_types(desk: Desk) -> None:
    table = pl.DataFrame(schema={"text": pl.String, "n": pl.List(pl.Int8)})
    assert made(desk, table).equals(table)
    assert made(desk, table, mark="in").schema == {**table.schema, "in": pl.List(pl.String)}


@pytest.mark.parametrize(
    ("params", "kind", "said"),
    [
        ({"columns": ["txt"]}, TableError, ["no column 'txt'", "text"]),
        ({"columns": ["row"]}, TableError, ["'row' is of type Int64, and not text"]),
        ({"evaluation_columns": ["n"]}, TableError, ["questions.parquet", "no column 'n'"]),
        ({"columns": []}, SettingsError, ["params.columns"]),
        ({"mark": "row"}, SettingsError, ["has a column 'row' already"]),
    ],
)
def test_what_is_wrong_is_said(desk: Desk, params: dict[str, Any], kind: type[DreamsmkError], said: list[str]) -> None:
    with pytest.raises(kind) as caught:
        made(desk, **params)
    assert all(part in str(caught.value) for part in said)


def test_an_evaluation_set_without_text_is_an_error(desk: Desk) -> None:
    inputs = {"table": desk.table({"text": ["a"]}), "evaluation": desk.table({"n": [1]}, "numbers.parquet")}
    with pytest.raises(TableError, match="no column of text"):
        desk.run("decontaminate", inputs, columns=["text"])


def test_runs_of_the_same_hash_are_told_apart_by_their_words() -> None:
    known, other = Known.of(pl.Series(["a b c"]), 2), words_of(pl.Series(["x y c", "a b"]), 2)
    other.hashes[:] = known._hashes[0]
    assert known.is_in(other).tolist() == [False, True]


texts = st.lists(st.none() | st.lists(st.sampled_from(["a", "b", "C", "ä."]), max_size=6).map(" ".join), max_size=6)


@settings(max_examples=60, deadline=None)
@given(table=texts, evaluation=texts, n=st.integers(1, 4))
def test_a_row_is_found_just_where_it_has_a_run_of_the_other_texts(
    table: list[str | None], evaluation: list[str | None], n: int
) -> None:
    def runs(text: str | None) -> set[tuple[str, ...]]:
        words = (text or "").lower().replace(".", "").split()
        return {tuple(words[at : at + n]) for at in range(len(words) - n + 1)}

    known = Known.of(pl.Series(evaluation, dtype=pl.String), n)
    forbidden = {run for text in evaluation for run in runs(text)}
    assert known.ngrams == len(forbidden)
    found = known.is_in(words_of(pl.Series(table, dtype=pl.String), n))
    assert found.tolist() == [bool(runs(text) & forbidden) for text in table]
