"""The digest of a table's rows: what a reader sees, not how it was written."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import itertools
import math
import os
import struct

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from dreamsmk.errors import DreamsmkError, IdentityError, TableError
from dreamsmk.hashing import digest_rows


@pytest.fixture
def digest(tmp_path):
    numbers = itertools.count()

    def of(table, **options):
        frame = table if isinstance(table, pl.DataFrame) else pl.DataFrame(table)
        path = tmp_path / f"{next(numbers)}.parquet"
        frame.write_parquet(path, **options)
        return digest_rows(path)

    return of


def series(values, dtype):
    return pl.DataFrame({"a": pl.Series(values, dtype=dtype)})


TABLE = {
    "id": list(range(5000)),
    "text": [None if n % 7 == 0 else "" if n % 5 == 0 else f"text {n} ü" * (n % 11) for n in range(5000)],
    "parts": [None if n % 3 == 0 else [{"role": "user", "n": m} for m in range(n % 4)] for n in range(5000)],
}


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "uncompressed"},
        {"compression": "snappy"},
        {"compression": "lz4"},
        {"compression": "gzip"},
        {"row_group_size": 1},
        {"row_group_size": 999},
        {"statistics": False},
        {"data_page_size": 100},
        {"metadata": {"writer": "another"}},
    ],
)
def test_how_the_rows_were_written_does_not_count(digest, options):
    table = pl.DataFrame(TABLE)
    if options.get("row_group_size") == 1:
        table = table.head(40)
    assert digest(table, **options) == digest(table)


def test_another_writer_gives_the_same_digest(tmp_path, digest):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table(TABLE)
    plain = digest(TABLE)
    for name, options in {
        "old": {"version": "1.0", "use_dictionary": False},
        "new": {"version": "2.6", "data_page_version": "2.0", "row_group_size": 100, "compression": "zstd"},
    }.items():
        parquet.write_table(table, tmp_path / name, **options)
        assert digest_rows(tmp_path / name) == plain


def test_the_size_of_slices_does_not_count(tmp_path, digest):
    wide = pl.DataFrame({"text": ["x" * 40_000 if n > 1500 else "" for n in range(4000)], "n": range(4000)})
    whole = digest(wide)
    assert digest(wide, row_group_size=17) == whole
    assert digest(wide[:-1]) != whole


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": [None]}, {"a": [""]}),
        ({"a": ["x", None]}, {"a": ["x", ""]}),
        ({"a": ["ab", "c"]}, {"a": ["a", "bc"]}),
        ({"a": ["", "a"]}, {"a": ["a", ""]}),
        ({"a": [None, "a"]}, {"a": ["a", None]}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": [1]}, {"a": [1, 1]}),
        ({"a": [1]}, {"a": [1.0]}),
        ({"a": [1]}, {"a": ["1"]}),
        ({"a": [True]}, {"a": [1]}),
        ({"a": [0]}, {"a": [None, 0]}),
        ({"a": [1], "b": [2]}, {"b": [2], "a": [1]}),
        ({"a": [1], "b": [2]}, {"a": [2], "b": [1]}),
        ({"a": [1]}, {"b": [1]}),
        ({"a": [1]}, {"a": [1], "b": [None]}),
        ({"a": [[]]}, {"a": [[None]]}),
        ({"a": [["x"], []]}, {"a": [[], ["x"]]}),
        ({"a": [["x"], None]}, {"a": [["x"], []]}),
        ({"a": [["x", "y"]]}, {"a": [["x"], ["y"]]}),
        ({"a": [[["x"], ["y"]]]}, {"a": [[["x", "y"], []]]}),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"y": 2, "x": 1}]}),
        ({"a": [{"x": None}, {"x": 1}]}, {"a": [None, {"x": 1}]}),
        ({"a": [[{"x": None}], [{"x": 1}]]}, {"a": [[None], [{"x": 1}]]}),
        ({"a": [0.0]}, {"a": [-0.0]}),
        ({"a": [float("nan")]}, {"a": [None, 1.0][:1]}),
        ({"a": [float("nan"), 1.0]}, {"a": [None, 1.0]}),
        ({"a": [float("inf")]}, {"a": [float("-inf")]}),
        ({"a": [b"x"]}, {"a": ["x"]}),
        ({"a": [b"\xff"]}, {"a": [b"\xfe"]}),
        ({"a": [dt.date(2020, 1, 1)]}, {"a": [dt.datetime(2020, 1, 1)]}),
        ({"a": [decimal.Decimal("1.5")]}, {"a": [decimal.Decimal("1.50")]}),
    ],
)
def test_every_difference_that_a_reader_sees_counts(digest, first, second):
    assert digest(first) != digest(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pl.Int32, pl.Int64),
        (pl.UInt8, pl.Int8),
        (pl.Float32, pl.Float64),
        (pl.Datetime("us"), pl.Datetime("ms")),
        (pl.Datetime("us"), pl.Datetime("us", "UTC")),
        (pl.Datetime("us", "UTC"), pl.Datetime("us", "Europe/Berlin")),
        (pl.Duration("us"), pl.Duration("ns")),
        (pl.String, pl.Binary),
        (pl.List(pl.Int8), pl.Array(pl.Int8, 2)),
        (pl.Array(pl.Int8, 2), pl.Array(pl.Int8, 3)),
        (pl.List(pl.String), pl.List(pl.Int8)),
        (pl.Decimal(10, 2), pl.Decimal(10, 3)),
        (pl.Null, pl.String),
        (pl.Struct({"x": pl.Int8}), pl.Struct({"y": pl.Int8})),
    ],
)
def test_tables_without_rows_keep_their_types(digest, first, second):
    assert digest(series([], first)) != digest(series([], second))
    assert digest(series([], first)) == digest(series([], first))


def test_categories_and_enums_are_their_text(digest):
    values = ["b", None, "a", "b", ""]
    plain = digest(series(values, pl.String))
    assert digest(series(values, pl.Categorical)) == plain
    assert digest(series(values, pl.Enum(["a", "b", ""]))) == plain
    assert digest(series(values, pl.Enum(["", "b", "a"]))) == plain
    assert digest(series([values], pl.List(pl.Categorical))) == digest(series([values], pl.List(pl.String)))


@pytest.mark.parametrize(("kind", "bits", "integer"), [("d", 0xFFF8000000000123, "Q"), ("f", 0xFFC00001, "I")])
def test_all_nans_are_one(digest, kind, bits, integer):
    assert math.isnan(struct.unpack(f"<{kind}", struct.pack(f"<{integer}", bits))[0])
    dtype = pl.Float64 if kind == "d" else pl.Float32
    odd_nan = series([bits], pl.UInt64 if kind == "d" else pl.UInt32).select(pl.col("a").reinterpret(dtype=dtype))
    assert digest(odd_nan) == digest(series([float("nan")], dtype))


@pytest.mark.parametrize(
    "dtype_and_values",
    [
        (pl.Int128, [1, 2**100, None]),
        (pl.UInt128, [1, 2**127, None]),
        (pl.Decimal(38, 10), [decimal.Decimal("1.5"), None]),
        (pl.Float16, [1.5, None]),
        (pl.Time, [dt.time(1, 2, 3, 4), None]),
        (pl.Duration("ns"), [dt.timedelta(microseconds=1), None]),
        (pl.Binary, [b"", None, b"\x00\xff"]),
        (pl.Array(pl.Array(pl.Int8, 2), 1), [[[1, 2]], None]),
        (pl.Array(pl.Int8, 0), [[], None]),
        (pl.Map(pl.String, pl.Int64), [{"x": 1, "y": 2}, None, {}]),
        (pl.List(pl.List(pl.Struct({"x": pl.List(pl.String)}))), [[[{"x": ["a", None]}], []], None, []]),
        (pl.List(pl.Null), [[None, None], [], None]),
        (pl.Null, [None, None]),
    ],
    ids=lambda pair: str(pair[0]),
)
def test_every_type_has_a_digest_that_each_value_counts_in(digest, dtype_and_values):
    dtype, values = dtype_and_values
    whole = digest(series(values * 3, dtype))
    assert digest(series(values * 3, dtype), row_group_size=2) == whole
    assert digest(series(values * 2, dtype)) != whole
    if dtype != pl.Null:
        assert digest(series([*values, values[0]], dtype)) != digest(series([*values, None], dtype))


@settings(max_examples=60, deadline=None)
@given(
    frame=dataframes(
        max_cols=4,
        max_size=12,
        allow_null=True,
        excluded_dtypes=[pl.Object, pl.Enum, pl.Categorical, pl.Struct, pl.Decimal],
    ),
    group=st.integers(1, 5),
)
def test_any_table_read_and_written_again_has_the_same_digest(tmp_path_factory, frame, group):
    folder = tmp_path_factory.mktemp("tables")
    frame.write_parquet(folder / "one.parquet")
    pl.read_parquet(folder / "one.parquet").write_parquet(folder / "two.parquet", row_group_size=group)
    assert digest_rows(folder / "one.parquet") == digest_rows(folder / "two.parquet")


CELLS = st.lists(st.none() | st.lists(st.none() | st.text("ab", max_size=2), max_size=2), max_size=4)


@settings(max_examples=150, deadline=None)
@given(CELLS, CELLS)
def test_two_tables_have_one_digest_exactly_when_their_rows_are_the_same(tmp_path_factory, first, second):
    folder = tmp_path_factory.mktemp("tables")
    digests = []
    for name, values in (("one", first), ("two", second)):
        series(values, pl.List(pl.String)).write_parquet(folder / name)
        digests.append(digest_rows(folder / name))
    assert (digests[0] == digests[1]) == (first == second)


def test_a_sha256_digest_of_the_rows_says_so(tmp_path):
    pl.DataFrame(TABLE).write_parquet(tmp_path / "a.parquet")
    digest = digest_rows(tmp_path / "a.parquet", "sha256")
    assert digest.startswith("rows-sha256:")
    assert len(digest) == len("rows-sha256:") + 64


@pytest.mark.parametrize(
    "name", ["a[b]*?.parquet", "new\nline.parquet", "ü%20 .parquet", "s3:x.parquet", "no_suffix", "a=1"]
)
def test_any_name_is_that_of_one_file(tmp_path, name, digest):
    pl.DataFrame(TABLE).write_parquet(tmp_path / "x")
    os.rename(tmp_path / "x", tmp_path / name)
    assert digest_rows(tmp_path / name) == digest(TABLE)


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1garbagePAR1", b"not a table at all", b"PAR1" + b"\0" * 100 + b"PAR1"]
)
def test_what_is_not_parquet_is_an_error_that_names_the_file(tmp_path, content):
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    with pytest.raises(TableError) as caught:
        digest_rows(path)
    assert caught.value.where == str(path)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_damaged_table_raises_nothing_but_our_errors(tmp_path, capfd):
    path = tmp_path / "a.parquet"
    pl.DataFrame(TABLE).write_parquet(path, compression="zstd")
    content = path.read_bytes()
    for cut in range(10, len(content), len(content) // 25):
        path.write_bytes(content[:cut] + bytes([content[cut] ^ 0xFF]) + content[cut + 1 :])
        with contextlib.suppress(DreamsmkError):
            digest_rows(path)
    path.write_bytes(content[:-100])
    with pytest.raises(TableError):
        digest_rows(path)


def test_a_missing_table_and_a_folder_are_errors(tmp_path):
    with pytest.raises(IdentityError):
        digest_rows(tmp_path / "gone.parquet")
    with pytest.raises(DreamsmkError):
        digest_rows(tmp_path)
