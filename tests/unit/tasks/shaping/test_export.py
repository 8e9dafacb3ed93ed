"""What is exported comes back as it was, or the error names what the format cannot hold."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.hashing import digest_file, digest_rows, digest_tree
from dreamsmk.tasks.shaping import export_datasets
from tests.unit.tasks.sources.place import Place

FLAT = pl.DataFrame(
    {
        "id": [1, -2, 3],
        "share": [0.1, None, 1e300],
        "text": ['a, "b"\n\tü', None, ""],
        "is": [True, None, False],
    }
)
NESTED = FLAT.with_columns(tags=pl.Series([["a", None], [], None]), more=pl.Series([{"x": 1, "y": ["é"]}] * 3))
CHATS = pl.DataFrame(
    {"q": ["Hi?", "日本"], "a": ["Yes.", "No."], "b": ["Er.", "Um."], "s": ["Be kind.", None], "id": [1, 2]}
)
TURNS = pl.DataFrame(
    {
        "m": [
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
            [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
        ]
    }
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def export(place: Place, frame: pl.DataFrame, format_name: str, **params: Any) -> Path:
    """Exports a table and returns the path of the file."""
    table = place.folder / "table.parquet"
    frame.write_parquet(table)
    role, name = ("folder", "made") if format_name == "datasets" else ("file", f"made.{format_name}")
    place.run("export", {"table": [table]}, {role: name}, format=format_name, **params)
    return place.folder / name


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("format_name", "frame"),
    [
        ("csv", FLAT),
        ("tsv", FLAT),
        ("json", NESTED),
        ("jsonl", NESTED),
        ("parquet", NESTED),
        ("csv", FLAT.clear()),
        ("parquet", NESTED.clear()),
    ],
)
def test_what_is_exported_loads_with_the_same_rows(place: Place, format_name: str, frame: pl.DataFrame) -> None:
    path = export(place, frame, format_name)
    types = {"id": "Int64", "share": "Float64", "is": "Boolean", "text": "String"} if frame.is_empty() else {}
    loaded = place.table("load_files", {"files": [path]}, types=types if format_name == "csv" else {})
    assert loaded.equals(frame)
    assert digest_rows(place.folder / "made.parquet") == digest_rows(place.folder / "table.parquet")


@pytest.mark.parametrize("splits", [[], ["train", "test.en"]])
def test_a_datasets_folder_loads_with_the_same_rows(place: Place, splits: list[str]) -> None:
    from datasets import load_from_disk

    frame = NESTED.with_columns(
        when=pl.lit(datetime.datetime(2026, 1, 2, 3, 4, 5, 6)), raw=pl.lit(b"\x00\xff"), none=pl.lit(None)
    )
    table = place.folder / "table.parquet"
    frame.write_parquet(table)
    tables = [table] * (len(splits) or 1)
    place.run("export", {"table": tables}, {"folder": "made"}, format="datasets", splits=splits)
    read = load_from_disk(str(place.folder / "made"))
    assert (list(read) == splits) if splits else (read.column_names == frame.columns)
    for split in splits or [None]:
        rows = (read[split] if split else read).to_list()
        assert rows == frame.to_dicts()
        place.table("load_disk", {"folder": [place.folder / "made"]}, split=split)
        assert digest_rows(place.folder / "made.parquet") == digest_rows(table)


def test_a_datasets_folder_without_rows_keeps_its_types(place: Place) -> None:
    export(place, NESTED.clear(), "datasets")
    assert place.table("load_disk", {"folder": [place.folder / "made"]}).schema == NESTED.schema


def test_rows_that_are_too_many_for_one_table_of_arrow_go_into_several() -> None:
    rows = pl.DataFrame({"n": [1, 2, 3, 300]})
    # what does not go into 8 bits stands for what offsets of 32 bits do not reach for
    tables = export_datasets._arrow(rows, pa.schema([pa.field("n", pa.int8())]))
    assert next(tables)["n"].to_pylist() == [1, 2]
    assert next(tables)["n"].to_pylist() == [3]
    with pytest.raises(TableError, match="a row is too large for Arrow"):
        next(tables)


def test_the_same_rows_give_the_same_bytes(place: Place) -> None:
    frame = pl.concat([NESTED] * 500)
    for format_name in ("csv", "json", "jsonl", "parquet", "datasets"):
        given = frame.select("id", "text") if format_name == "csv" else frame
        digests = set()
        for rows in (100, 1500):
            path = export(place, given.rechunk(), format_name)
            digests.add(digest_tree(path) if path.is_dir() else digest_file(path))
            given.write_parquet(place.folder / "table.parquet", row_group_size=rows)
        assert len(digests) == 1, format_name


@pytest.mark.parametrize(
    ("format_name", "values", "said"),
    [
        ("csv", [[1]], r"'x' is of type List\(Int64\), which CSV does not hold"),
        ("tsv", [{"a": 1}], "which TSV does not hold"),
        ("csv", [b"a"], "'x' is of type Binary"),
        ("csv", [datetime.timedelta(1)], "'x' is of type Duration"),
        ("jsonl", [[b"a"]], r"'x' is of type List\(Binary\), which JSON does not hold"),
        ("json", [1.0, math.nan], "'x' has a number that is not finite"),
        ("jsonl", [[1.0], None, [2.0, -math.inf]], "not finite"),
        ("jsonl", [{"a": {"b": [math.inf]}}], "not finite"),
    ],
)
def test_what_a_format_cannot_hold_is_an_error(place: Place, format_name: str, values: list[Any], said: str) -> None:
    with pytest.raises(TableError, match=said) as caught:
        export(place, pl.DataFrame({"ok": values, "x": values}).select("x"), format_name)
    assert caught.value.where.startswith(str(place.folder / "table.parquet"))
    if "finite" in said:
        assert caught.value.where.endswith(f"row {len(values)}")


def test_numbers_that_are_not_finite_are_written_where_they_can_be(place: Place) -> None:
    frame = pl.DataFrame({"x": [1.5, math.nan, -math.inf, None]})
    for format_name in ("csv", "parquet"):
        assert place.table("load_files", {"files": [export(place, frame, format_name)]}).equals(frame)


def test_columns_are_chosen(place: Place) -> None:
    assert export(place, NESTED, "csv", columns=["text", "id"]).read_text().startswith("text,id\n")
    assert lines(export(place, FLAT, "jsonl", columns=["is"])) == [{"is": True}, {"is": None}, {"is": False}]
    assert export(place, FLAT.clear(), "json").read_text() == "[]\n"


def test_chat_messages_have_the_roles_of_a_chat(place: Place) -> None:
    made = lines(export(place, CHATS, "jsonl", layout="messages", prompt="q", completion="a", keep=["id"]))
    assert made[0] == {
        "messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}],
        "id": 1,
    }
    made = lines(export(place, CHATS, "jsonl", layout="messages", prompt="q", completion="a", system="s"))
    assert [[turn["role"] for turn in row["messages"]] for row in made] == [
        ["system", "user", "assistant"],
        ["user", "assistant"],
    ]


def test_sharegpt_has_its_own_names(place: Place) -> None:
    asked = {"layout": "sharegpt", "prompt": "q", "system_prompt": "Be brief."}
    assert lines(export(place, CHATS, "jsonl", completion="a", **asked))[1] == {
        "conversations": [
            {"from": "system", "value": "Be brief."},
            {"from": "human", "value": "日本"},
            {"from": "gpt", "value": "No."},
        ]
    }
    made = lines(export(place, CHATS, "jsonl", chosen="a", rejected="b", **asked))[0]
    assert made["conversations"][-1] == {"from": "human", "value": "Hi?"}
    assert (made["chosen"], made["rejected"]) == ({"from": "gpt", "value": "Yes."}, {"from": "gpt", "value": "Er."})


def test_preferences_are_as_trl_reads_them(place: Place) -> None:
    made = lines(export(place, CHATS, "jsonl", layout="messages", prompt="q", chosen="a", rejected="b"))
    assert made[0] == {
        "prompt": [{"role": "user", "content": "Hi?"}],
        "chosen": [{"role": "assistant", "content": "Yes."}],
        "rejected": [{"role": "assistant", "content": "Er."}],
    }


def test_conversations_change_their_layout_and_back(place: Place) -> None:
    there = place.table("load_files", {"files": [export(place, TURNS, "jsonl", layout="sharegpt", messages="m")]})
    assert there["conversations"][1].to_list() == [{"from": "system", "value": "S"}, {"from": "human", "value": "Q"}]
    back = export(place, there, "jsonl", layout="messages", messages="conversations")
    assert [row["messages"] for row in lines(back)] == TURNS["m"].to_list()
    same = export(place, TURNS, "jsonl", layout="messages", messages="m", keep=[])
    assert [row["messages"] for row in lines(same)] == TURNS["m"].to_list()


def test_a_conversation_gets_a_system_prompt_once(place: Place) -> None:
    made = lines(export(place, TURNS[:1], "jsonl", layout="messages", messages="m", system_prompt="S"))
    assert made[0]["messages"][0] == {"role": "system", "content": "S"}
    with pytest.raises(TableError, match="'m' has a system message already") as caught:
        export(place, TURNS, "jsonl", layout="messages", messages="m", system_prompt="S")
    assert caught.value.where.endswith("row 2")


@pytest.mark.parametrize("layout", ["messages", "sharegpt"])
@pytest.mark.parametrize("format_name", ["jsonl", "parquet", "datasets"])
def test_a_layout_of_no_rows_has_none(place: Place, layout: str, format_name: str) -> None:
    for asked in (
        {"completion": "a", "system_prompt": "S"},
        {"completion": "a", "system": "s"},
        {"chosen": "a", "rejected": "b"},
    ):
        export(place, CHATS.clear(), format_name, layout=layout, prompt="q", **asked)
        assert place.facts["rows"] == 0


@pytest.mark.parametrize(
    ("frame", "said", "row"),
    [
        (CHATS.with_columns(a=pl.Series(["Yes.", None])), "'a' is null", 2),
        (CHATS.with_columns(q=pl.Series([None, "x"])), "'q' is null", 1),
        (CHATS.with_columns(a=pl.Series([1, 2])), "'a' is of type Int64, not text", None),
    ],
)
def test_a_row_without_an_answer_is_an_error(place: Place, frame: pl.DataFrame, said: str, row: int | None) -> None:
    with pytest.raises(TableError, match=said) as caught:
        export(place, frame, "jsonl", layout="messages", prompt="q", completion="a")
    assert row is None or caught.value.where.endswith(f"row {row}")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([[{"role": "user", "content": "x"}], [{"role": "alien", "content": "x"}]], "a message of no known role"),
        ([[{"role": None, "content": "x"}]], "a message of no known role"),
        ([[{"who": "user"}]], "not a list of messages"),
        (["text"], "not a list of messages"),
        ([[{"role": "user", "content": "x", "name": "y"}]], "a field 'name', which the layout does not hold"),
    ],
)
def test_messages_that_are_none_are_an_error(place: Place, messages: list[Any], said: str) -> None:
    with pytest.raises(TableError, match=said):
        export(place, pl.DataFrame({"m": messages}), "jsonl", layout="sharegpt", messages="m")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"layout": "messages"}, "needs messages, or prompt and completion"),
        ({"layout": "messages", "prompt": "q"}, "there is prompt"),
        ({"layout": "messages", "messages": "q", "prompt": "q"}, "there is messages, prompt"),
        ({"layout": "messages", "prompt": "q", "completion": "a", "columns": ["q"]}, "has its own columns"),
        ({"layout": "sharegpt", "prompt": "q", "completion": "a", "system": "s", "system_prompt": "x"}, "not both"),
        ({"layout": "messages", "prompt": "q", "completion": "a", "keep": ["messages"]}, "column 'messages' itself"),
        ({"prompt": "q"}, "plain rows have no such part"),
        ({"system_prompt": "q"}, "plain rows have no such part"),
        ({"splits": ["train"]}, "only a datasets folder has splits"),
    ],
)
def test_parameters_that_contradict_each_other_are_an_error(place: Place, params: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        export(place, CHATS.with_columns(messages="q"), "jsonl", **params)


def test_the_output_is_of_the_format(place: Place) -> None:
    table = place.folder / "table.parquet"
    FLAT.write_parquet(table)
    for format_name, output, said in (
        ("csv", {"file": "made.jsonl"}, "does not end in .csv"),
        ("csv", {"folder": "made"}, "written to a file"),
        ("datasets", {"file": "made.csv"}, "written to a folder"),
    ):
        with pytest.raises(SettingsError, match=said):
            place.run("export", {"table": [table]}, output, format=format_name)
    with pytest.raises(SettingsError, match="there are 2 tables, and no names of splits"):
        place.run("export", {"table": [table, table]}, {"file": "made.csv"}, format="csv")


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.none() | st.text(st.characters(exclude_categories=("Cs",))), st.integers(-(2**63), 2**63 - 1))
    )
)
def test_any_text_comes_back_from_any_format(
    tmp_path_factory: pytest.TempPathFactory, rows: Sequence[tuple[str | None, int]]
) -> None:
    place = Place(tmp_path_factory.mktemp("export"))
    frame = pl.DataFrame(rows, schema={"t": pl.String, "n": pl.Int64}, orient="row")
    for format_name in ("csv", "tsv", "json", "jsonl", "parquet"):
        path = export(place, frame, format_name)
        if rows or format_name in ("csv", "tsv", "parquet"):
            types = {"t": "String", "n": "Int64"}
            assert place.table("load_files", {"files": [path]}, types=types).equals(frame), format_name
