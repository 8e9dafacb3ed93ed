"""Tables are read whole and right, or the error says where they are wrong."""

from __future__ import annotations

import json
import os

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.errors import TableError
from dreamsmk.tables import (
    column_names,
    column_types,
    is_table_path,
    read_table,
    require_columns,
    row_count,
    scan_table,
    write_table,
)

ROWS = [{"id": 1, "text": 'a, "b"\nü'}, {"id": 2, "text": None}, {"id": 3, "text": "x"}]


def write(path):
    frame = pl.DataFrame(ROWS)
    if path.suffix == ".parquet":
        write_table(frame, path)
    elif path.suffix in (".csv", ".tsv"):
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".json":
        path.write_text(json.dumps(ROWS, ensure_ascii=False, indent=1), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


SUFFIXES = ["parquet", "csv", "tsv", "json", "jsonl", "ndjson"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_table(tmp_path, suffix):
    path = write(tmp_path / f"table.{suffix}")
    assert read_table(path).rows(named=True) == ROWS
    assert read_table(str(path), columns=["text"]).to_dict(as_series=False) == {"text": [row["text"] for row in ROWS]}
    assert scan_table(path).filter(pl.col("id") > 1).collect().height == 2
    assert column_names(path) == ["id", "text"]
    assert column_types(path) == {"id": "Int64", "text": "String"}
    assert row_count(path) == 3


@pytest.mark.parametrize("suffix", [*SUFFIXES, "txt"])
@pytest.mark.parametrize("name", ["a[b]*?", "two\nlines", "ü%20 x", "s3:x", "a=1"])
def test_a_path_is_one_file_whatever_its_name(tmp_path, suffix, name):
    (tmp_path / "ab.csv").write_text("wrong\n1\n")
    path = write(tmp_path / f"x.{suffix}").rename(tmp_path / f"{name}.{suffix}")
    assert read_table(path).height == row_count(path) == 3
    assert column_names(path) == list(read_table(path).columns)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"))))
def test_a_text_file_is_a_row_a_line(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("text") / "lines.txt"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    assert read_table(path)["text"].to_list() == lines
    assert column_names(path) == ["text"]


def test_the_last_line_of_a_text_file_needs_no_end_and_windows_ends_are_ends(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\r\n\r\nthree")
    assert read_table(tmp_path / "a.txt")["text"].to_list() == ["one", "", "three"]


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("a.jsonl", b"", []),
        ("a.jsonl", b"\n\n", []),
        ("a.json", b"[]", []),
        ("a.txt", b"", ["text"]),
        ("a.csv", b"x,y\n", ["x", "y"]),
    ],
)
def test_files_without_rows_are_tables_without_rows(tmp_path, name, content, columns):
    (tmp_path / name).write_bytes(content)
    assert row_count(tmp_path / name) == 0
    assert column_names(tmp_path / name) == read_table(tmp_path / name).columns == columns


def test_types_come_from_all_rows(tmp_path):
    (tmp_path / "a.csv").write_text("n\n" + "1\n" * 2000 + "1.5\n")
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n' * 2000 + '{"n": 1.5, "late": {"x": [1]}}\n')
    assert column_types(tmp_path / "a.csv") == {"n": "Float64"}
    assert column_names(tmp_path / "a.jsonl") == ["n", "late"]
    assert read_table(tmp_path / "a.jsonl")["late"][-1] == {"x": [1]}


@pytest.mark.parametrize(
    ("name", "content", "where", "what"),
    [
        ("a.jsonl", b'{"a": 1}\n\n{bad\n', ", line 3", "not valid JSON"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', ", line 2", "not a JSON object"),
        ("a.jsonl", b'{"a": "x"}\n{"a": "\\ud800"}\n', ", line 2", "surrogate"),
        ("a.jsonl", b'{"a": "x"}\n{"a": "\\uDC00 y"}\n', ", line 2", "surrogate"),
        ("a.jsonl", b'{"a": "\xff"}\n', ", line 1", "not valid JSON"),
        ("a.jsonl", b'\xef\xbb\xbf{"a": 1}\n', "", "byte order mark"),
        ("a.json", b'{"a": 1}', "", "not an array"),
        ("a.json", b"[1, 2]", "", "objects"),
        ("a.json", b'[{"a": 1}', ", line 1", "not valid JSON"),
        (
            "a.json",
            b'[{"a": 1}, {"a": null}, {"a": true}]',
            ", row 2 (from 0)",
            "'a' is true or false here, and a number",
        ),
        ("a.json", b'[{"a": "x"}, {"a": [1]}]', ", row 1 (from 0)", "'a' is an array here, and text before"),
        ("a.jsonl", b'{"a": 1}\n\n{"a": false}\n', ", line 3", "'a' is true or false here, and a number before"),
        ("a.jsonl", b'{"b": 1, "a": {}}\n{"a": [1]}\n', ", line 2", "'a' is an array here, and an object before"),
        ("a.json", b'[{"a": "\\ud800"}]', ", line 1", "surrogate"),
        ("a.json", b"", "", "not an array"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", ", line 3", "3 fields, and the header has 2"),
        ("a.tsv", b"a\tb\n1\t2\t3\n", ", line 2", "3 fields, and the header has 2"),
        ("a.csv", b"a\nx\n\xff\n", ", line 3", "not valid UTF-8"),
        ("a.csv", b"", "", "empty CSV"),
        ("a.txt", b"\xff\n", "", "utf8"),
        ("a.parquet", b"", "", "not a readable parquet file"),
        ("a.parquet", b"PAR1 and more", "", "not a readable parquet file"),
    ],
)
def test_a_bad_file_is_an_error_that_says_where(tmp_path, name, content, where, what):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError, match=what) as caught:
        read_table(path)
    assert caught.value.where == f"{path}{where}"
    assert len(str(caught.value).splitlines()) <= 3


def test_pairs_of_surrogates_are_characters(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"a": "\\ud83d\\ude00"}\n')
    assert read_table(tmp_path / "a.jsonl")["a"].to_list() == ["\U0001f600"]


@pytest.mark.parametrize("ask", [read_table, scan_table, column_names, column_types, row_count])
def test_a_missing_file_a_folder_and_another_suffix_are_errors(tmp_path, ask):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "notes.docx").touch()
    for name in ("gone.parquet", "gone.csv", "gone.json", "gone.jsonl", "gone.txt", "folder.csv", "notes.docx", "none"):
        with pytest.raises(TableError) as caught:
            ask(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)


def test_a_path_that_is_not_unicode_is_an_error_or_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.parquet")
    write(tmp_path / "a.parquet").rename(path)
    with pytest.raises(TableError):
        read_table(path)


def test_a_missing_column_is_an_error_that_names_the_nearest(tmp_path):
    path = write(tmp_path / "a.parquet")
    require_columns(path, ["id", "text"])
    for ask in (lambda: require_columns(path, ["id", "txt"]), lambda: read_table(path, columns=["txt"])):
        with pytest.raises(TableError, match="'txt'") as caught:
            ask()
        assert caught.value.hint == "did you mean 'text'?"
        assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", True),
        ("a.PARQUET", True),
        ("x/a.jsonl", True),
        ("a.txt", True),
        ("a.docx", False),
        ("parquet", False),
    ],
)
def test_a_table_is_known_by_its_suffix(name, expected):
    assert is_table_path(name) is expected


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.csv", "a,b,a\n1,2,3\n", "the column 'a' is there twice"),
        ("a.csv", "\n\na,b,a\n1,2,3\n4\n", "the column 'a' is there twice"),
        ("a.tsv", "x y\tx y\n1\t2\n", "the column 'x y' is there twice"),
        ("a.csv", "a,,\n1,2,3\n", "two columns have no name"),
        ("a.csv", '"a\nb","a\nb"\n1,2\n', "is there twice"),
    ],
)
@pytest.mark.parametrize("ask", [read_table, column_names])
def test_a_column_that_is_there_twice_is_an_error(tmp_path, ask, name, content, what):
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=what) as caught:
        ask(tmp_path / name)
    assert caught.value.where == f"{tmp_path / name}, header"


def test_a_column_that_only_looks_renamed_is_a_column(tmp_path):
    (tmp_path / "a.csv").write_text("a,a_duplicated_0\n1,2\n")
    assert read_table(tmp_path / "a.csv").rows() == [(1, 2)]


def test_a_file_may_be_read_as_one_of_another_suffix(tmp_path):
    (tmp_path / "a.data").write_text('{"a": 1}\n')
    assert scan_table(tmp_path / "a.data", ".jsonl").collect().rows() == [(1,)]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_name_with_quotes_in_it_is_read_as_it_is(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    frame = pl.DataFrame({'say "x"': [1], "b": ["y"]})
    frame.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    assert column_names(path) == frame.columns
    assert read_table(path).equals(frame)
