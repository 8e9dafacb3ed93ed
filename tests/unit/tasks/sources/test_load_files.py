"""Files are loaded whole and right, or the error names file, column and row."""

from __future__ import annotations

import datetime
import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.hashing import digest_rows
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.sources.load_files import extra_identity
from tests.unit.tasks.sources.place import Place

ROWS = pl.DataFrame({"id": [1, 2, 3], "text": ['a, "b"\nü', None, "日本"]})


def load(place: Place, *paths: Path, **params: Any) -> pl.DataFrame:
    return place.table("load_files", {"files": paths}, **params)


def write(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writers = {
        ".csv": frame.write_csv,
        ".tsv": lambda at: frame.write_csv(at, separator="\t"),
        ".json": frame.write_json,
        ".jsonl": frame.write_ndjson,
        ".parquet": frame.write_parquet,
        ".arrow": frame.write_ipc,
        ".stream.arrow": frame.write_ipc_stream,
    }
    writers["".join(path.suffixes)](path)
    return path


FORMATS = [".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow", ".stream.arrow"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_rows(place: Place, suffix: str) -> None:
    assert load(place, write(ROWS, place.folder / f"a{suffix}")).equals(ROWS)
    assert place.facts == {"rows": 3, "files": 1}


@pytest.mark.parametrize("suffix", FORMATS)
def test_files_of_every_format_come_in_the_order_given(place: Place, suffix: str) -> None:
    parts = [write(ROWS[i : i + 1], place.folder / f"{name}{suffix}") for i, name in enumerate("cab")]
    assert load(place, *parts).equals(ROWS)
    assert load(place, *reversed(parts))["id"].to_list() == [3, 2, 1]


def test_files_of_different_formats_go_together(place: Place) -> None:
    parts = [
        write(ROWS[i : i + 1], place.folder / f"a{suffix}") for i, suffix in enumerate([".csv", ".json", ".parquet"])
    ]
    assert load(place, *parts).equals(ROWS)


def test_a_text_file_has_a_row_a_line_or_is_one_row(place: Place) -> None:
    one, two = place.file("1.txt", "a\n\nb"), place.file("2.txt", "\ufeffü\n")
    assert load(place, one)["text"].to_list() == ["a", "", "b"]
    whole = load(place, one, two, whole_files=True, filename_column="file")
    assert whole.rows() == [("a\n\nb", "1.txt"), ("ü\n", "2.txt")]


def test_a_folder_gives_its_files_by_name(place: Place) -> None:
    for name in ("b.csv", "a/z.csv", "a.csv", ".hidden.csv", "a/.cache/x.csv", "README.md"):
        place.file(f"raw/{name}", f"n\n{len(name)}\n")
    raw = place.folder / "raw"
    made = load(place, raw, filename_column="file")
    assert made.rows() == [(5, "a.csv"), (7, "a/z.csv"), (5, "b.csv")]
    assert load(place, raw, glob="*.csv")["n"].to_list() == [5, 5]
    assert load(place, raw, glob="**/z.*").rows() == [(7,)]


def test_a_folder_without_such_files_is_an_error(place: Place) -> None:
    place.file("raw/a.csv", "n\n1\n")
    with pytest.raises(TableError, match=r"no file that matches '\*\.json'\nat: .*raw\nhint: it has a\.csv"):
        load(place, place.folder / "raw", glob="*.json")
    with pytest.raises(TableError, match="no file in the format parquet"):
        load(place, place.folder / "raw", format="parquet")
    with pytest.raises(SettingsError, match="no folder"):
        load(place, place.folder / "raw/a.csv", glob="*")


def test_delimited_files_are_read_as_the_options_say(place: Place) -> None:
    raw = "made by hand\n# a comment\nn;'t x'\n1;'a;b'\n# more\n-;''\n"
    options = {"separator": ";", "quote": "'", "skip_lines": 1, "comment": "#", "null_values": ["-"]}
    assert load(place, place.file("a.csv", raw), **options).to_dict(as_series=False) == {
        "n": [1, None],
        "t x": ["a;b", ""],
    }
    plain = place.file("b.csv", '1,"x\n2,y\n')
    made = load(place, plain, header=False, names=["n", "t"], quote=None)
    assert made.to_dict(as_series=False) == {"n": [1, 2], "t": ['"x', "y"]}
    assert load(place, plain, header=False, quote=None).columns == ["column_1", "column_2"]
    numbered = load(place, place.file("c.csv", "007,x\n"), header=False, types={"column_1": "String"})
    assert numbered.rows() == [("007", "x")]
    with pytest.raises(TableError, match="2 columns, and 1 names"):
        load(place, plain, header=False, names=["n"], quote=None)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "shift_jis"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".txt"])
def test_other_encodings_are_read(place: Place, encoding: str, suffix: str) -> None:
    text = {".csv": "t\nx¶\n", ".jsonl": '{"t": "x¶"}\n', ".txt": "x¶\n"}[suffix]
    path = place.file(f"a{suffix}", text.encode(encoding))
    assert load(place, path, encoding=encoding).to_series().to_list() == ["x¶"]


def test_a_wrong_encoding_is_an_error(place: Place) -> None:
    path = place.file("a.csv", b"t\n" + b"x\n" * 5 + b"\xe9\n")
    with pytest.raises(TableError, match="not ascii") as caught:
        load(place, path, encoding="ascii")
    assert caught.value.where.startswith(str(path))
    with pytest.raises(TableError, match="not valid UTF-8") as caught:
        load(place, path)
    assert caught.value.where == f"{path}, line 7"
    with pytest.raises(SettingsError, match="no encoding 'utf8x'"):
        load(place, path, encoding="utf8x")
    with pytest.raises(SettingsError, match="no encoding 'rot13'"):
        load(place, path, encoding="rot13")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.txt.gz", "a.json.gz"])
def test_compressed_files_are_read(place: Place, name: str) -> None:
    text = {"csv": "text\nx\n", "jsonl": '{"text": "x"}\n', "txt": "x\n", "json": '[{"text": "x"}]'}[name.split(".")[1]]
    assert load(place, place.file(name, gzip.compress(text.encode()))).rows() == [("x",)]
    with pytest.raises(TableError, match="compressed file is damaged"):
        load(place, place.file(name, gzip.compress(text.encode())[:-9]))


def test_types_are_those_of_all_files(place: Place) -> None:
    whole, half = place.file("1.csv", "n,c,e\n1,007,\n"), place.file("2.csv", "n,c,e\n1.5,x7,\n")
    empty, late = place.file("3.csv", "n,c,e\n"), place.file("4.csv", "n,c,e\n,,5\n")
    made = load(place, empty, whole, half, late)
    assert made.schema == {"n": pl.Float64(), "c": pl.String(), "e": pl.Int64()}
    assert made.rows() == [(1.0, "007", None), (1.5, "x7", None), (None, None, 5)]
    lines = (
        place.file("1.jsonl", '{"n": 1, "s": {"x": 1}}\n'),
        place.file("2.jsonl", '{"n": null, "s": {"x": 1.5, "y": "a"}}\n'),
    )
    assert load(place, *lines)["s"].to_list() == [{"x": 1.0, "y": None}, {"x": 1.5, "y": "a"}]


def test_types_that_files_state_are_not_changed(place: Place) -> None:
    one = write(pl.DataFrame({"n": [1]}), place.folder / "1.parquet")
    other = write(pl.DataFrame({"n": ["x"]}), place.folder / "2.parquet")
    with pytest.raises(TableError, match=r"'n' is of type String, and in 1\.parquet of type Int64") as caught:
        load(place, one, other)
    assert caught.value.where == str(other)
    assert load(place, one, other, types={"n": "String"})["n"].to_list() == ["1", "x"]


def test_types_may_be_given(place: Place) -> None:
    path = place.file("a.csv", "n,d,t,b,s\n1,2026-01-02,2026-01-02 03:04:05,True,007\n,,,,\n")
    types = {"n": "Int8", "d": "Date", "t": "Datetime", "b": "Boolean", "s": "String"}
    made = load(place, path, types=types)
    assert made.row(0) == (1, datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, 4, 5), True, "007")
    assert made.row(1) == (None,) * 5
    assert made.schema["n"] == pl.Int8
    assert load(place, path, infer_types=False).row(0)[0] == "1"


@pytest.mark.parametrize(
    ("dtype", "value"), [("Int8", "300"), ("Date", "soon"), ("Boolean", "perhaps"), ("Int64", "x")]
)
def test_a_value_that_does_not_fit_its_type_is_named(place: Place, dtype: str, value: str) -> None:
    good, bad = place.file("1.csv", "v\n"), place.file("2.csv", f"v\n\n{value}\n")
    with pytest.raises(TableError, match=f"the value '{value}' of the column 'v' is no {dtype}") as caught:
        load(place, good, bad, types={"v": dtype})
    assert caught.value.where == f"{bad}, row 2"


@pytest.mark.parametrize(
    ("have", "dtype", "bad"),
    [
        (pl.Series([1.0, 1.5]), "Int64", "1.5"),
        (pl.Series([1.0, float("nan")]), "UInt8", "nan"),
        (pl.Series([1, 2]), "Boolean", "2"),
        (pl.Series([datetime.datetime(2026, 1, 2), datetime.datetime(2026, 1, 2, 3)]), "Date", "2026-01-02 03:00:00"),
    ],
)
def test_nothing_of_a_value_is_lost_to_the_type_that_is_given(
    place: Place, have: pl.Series, dtype: str, bad: str
) -> None:
    one = write(pl.DataFrame({"v": have}), place.folder / "a.parquet")
    with pytest.raises(TableError, match=f"the value '{bad}' of the column 'v' is no {dtype}") as caught:
        load(place, one, types={"v": dtype})
    assert caught.value.where == f"{one}, row 2"
    whole = write(pl.DataFrame({"v": have.head(1).append(have.clear().extend_constant(None, 1))}), one)
    assert load(place, whole, types={"v": dtype})["v"].null_count() == 1


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_column_that_is_twice_in_an_arrow_file_is_named(place: Place, is_stream: bool) -> None:
    path, twice = place.folder / "a.arrow", pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    new = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    with new(str(path), twice.schema) as sink:
        sink.write_table(twice)
    with pytest.raises(TableError, match="the column 'a' is there twice") as caught:
        load(place, path)
    assert caught.value.where == str(path)


def test_columns_are_chosen_and_their_order_is_that_of_the_choice(place: Place) -> None:
    one, other = place.file("1.csv", "a,b\n1,2\n"), place.file("2.csv", "b,a,c\n4,3,5\n")
    assert load(place, one, other, columns=["b", "a"], missing="null").rows() == [(2, 1), (4, 3)]
    assert load(place, one, other, missing="null", types={"c": "String"}).rows() == [(1, 2, None), (3, 4, "5")]
    with pytest.raises(TableError, match=r"no column 'c', which others have\nat: .*1\.csv"):
        load(place, one, other)
    with pytest.raises(TableError, match=r"no column 'bb'\n.*\nhint: did you mean 'b'"):
        load(place, one, columns=["bb"])
    with pytest.raises(SettingsError, match="a column 'a' themselves"):
        load(place, one, filename_column="a")


@pytest.mark.parametrize(
    ("name", "content", "where", "what"),
    [
        ("a.csv", "a,b,a\n1,2,3\n", ", header", "'a' is there twice"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", ", line 3", "3 fields"),
        ("a.jsonl", '{"a": 1}\n{\n', ", line 2", "not valid JSON"),
        ("a.json", '{"a": 1}', "", "not an array"),
        ("a.parquet", "PAR1", "", "not a readable parquet"),
        ("a.arrow", "ARROW1 and more", "", "not an Arrow file"),
        ("a.jsonl", '{"a": 1}\n{"a": true}\n', ", line 2", "'a' is true or false here, and a number before"),
        ("a.jsonl", '{"a": {"b": 1}, "b": 2}\n{"b": 1, "b" : 2}\n', ", line 2", "the column 'b' is there twice"),
        ("a.json", '[{"a": 1}, {"a\\n": 1, "a\\n": 2}]', ", row 1 (from 0)", "is there twice"),
        ("a.arrow", "none", "", "not an Arrow file"),
        ("a.csv", "", "", "empty CSV"),
        ("a.docx", "", "", "the suffix of 'a.docx' is that of no format"),
    ],
)
def test_a_bad_file_is_named(place: Place, name: str, content: str, where: str, what: str) -> None:
    path = place.file(name, content)
    good = place.file("good.csv", "a,b\n1,2\n")
    with pytest.raises(TableError, match=what) as caught:
        load(place, good, path, missing="null")
    assert caught.value.where == f"{path}{where}"
    assert not (place.folder / "made.parquet").exists()


def test_a_file_that_is_not_there_is_named(place: Place) -> None:
    for name in ("a.csv", "a.parquet", "a.arrow", "a.csv.gz"):
        with pytest.raises(TableError) as caught:
            load(place, place.folder / name)
        assert caught.value.where == str(place.folder / name)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_without_rows_keeps_its_columns(place: Place, suffix: str) -> None:
    made = load(place, write(ROWS.clear(), place.folder / f"a{suffix}"))
    assert made.columns == ([] if suffix in (".json", ".jsonl") else ["id", "text"])
    assert made.height == 0


def test_wide_rows_and_large_cells_are_read(place: Place) -> None:
    wide = pl.DataFrame({f"c{i}": [i] for i in range(10_000)})
    assert load(place, write(wide, place.folder / "wide.csv")).equals(wide)
    large = pl.DataFrame({"t": ["x" * 2**20, "ü\n" * 2**19]})
    assert load(place, *[write(large[i : i + 1], place.folder / f"{i}.csv") for i in (0, 1)]).equals(large)


@pytest.mark.parametrize("name", ["a[1].csv", "two words.csv", "a*.jsonl"])
def test_a_path_is_one_file_whatever_its_name(place: Place, name: str) -> None:
    path = place.file(name, "n\n1\n" if name.endswith("csv") else '{"n": 1}\n')
    assert load(place, path, filename_column="file").rows() == [(1, name)]


def test_what_is_said_of_a_source_is_recorded(place: Place) -> None:
    load(place, place.file("a.csv", "n\n1\n"), about={"license": "cc0-1.0"})
    assert place.facts["source"] == {"kind": "dataset", "license": "cc0-1.0"}


def test_names_decide_only_where_they_are_seen() -> None:
    def identity(*paths: str, **params: Any) -> dict[str, Any]:
        filled = validate_params(load_meta("load_files").params, params, where="test")
        return extra_identity(Path(), {"files": [Path(path) for path in paths]}, {}, filled)

    assert identity("a/x.csv") == identity("b/y.CSV") != identity("x.tsv")
    assert identity("x.csv", format="csv") == identity("x.data", format="csv") == {}
    assert identity("a/x.csv", filename_column="f") == identity("b/x.csv", filename_column="f")
    assert identity("x.csv", filename_column="f") != identity("y.csv", filename_column="f")
    assert identity("x.csv") != identity("x.csv.gz")


def test_age_and_place_of_a_file_change_nothing(place: Place) -> None:
    first = place.file("a/x.csv", "n\n1\n")
    load(place, first)
    before = digest_rows(place.folder / "made.parquet")
    second = place.file("b/y.csv", "n\n1\n")
    os.utime(second, (1, 1))
    load(place, second)
    assert digest_rows(place.folder / "made.parquet") == before


@settings(max_examples=25, deadline=None)
@given(
    cells=st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00")), min_size=1),
    cuts=st.lists(st.integers(0, 20), max_size=3),
)
def test_however_rows_are_cut_into_files_they_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, cells: Sequence[str], cuts: list[int]
) -> None:
    place = Place(tmp_path_factory.mktemp("cut"))
    frame = pl.DataFrame({"t": cells})
    ends = sorted(min(cut, len(cells)) for cut in cuts)
    parts = [frame[a:b] for a, b in zip([0, *ends], [*ends, len(cells)], strict=True)]
    for suffix in (".csv", ".jsonl"):
        made = load(
            place,
            *[write(p, place.folder / f"{i}{suffix}") for i, p in enumerate(parts) if p.height],
            types={"t": "String"},
        )
        assert made.equals(frame)
