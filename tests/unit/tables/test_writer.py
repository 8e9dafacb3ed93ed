"""A table is written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dreamsmk.errors import TableError
from dreamsmk.tables import TableWriter, column_types, read_table, row_count, write_table
from dreamsmk.tables.writer import row_group_rows

FRAME = pl.DataFrame({"a": [1, None], "b": ["x", ""], "c": [[{"d": 1.5}], None]})


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def write_batches(path, batches):
    with TableWriter(path) as table:
        for batch in batches:
            table.write(batch)


@pytest.mark.parametrize("frame", [FRAME, FRAME.lazy(), FRAME.head(0), FRAME.head(0).lazy()], ids=str)
def test_a_frame_comes_back_as_it_was(tmp_path, frame):
    write_table(frame, tmp_path / "new" / "a.parquet")
    assert_frame_equal(read_table(tmp_path / "new" / "a.parquet"), frame.lazy().collect())
    assert left(tmp_path / "new") == ["a.parquet"]


def test_equal_frames_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_table(pl.DataFrame({"x": [f"row {n}" for n in range(50_000)]}), tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_table_may_be_made_from_itself(tmp_path):
    path = tmp_path / "a.parquet"
    write_table(FRAME, path)
    write_table(pl.scan_parquet(path).filter(pl.col("a") == 1), path)
    assert row_count(path) == 1


@pytest.mark.parametrize(
    "name", ["x" * 247 + ".parquet", "ü" * 120 + ".parquet", "a[b]*?.parquet", "two\nlines.parquet"]
)
def test_any_name_may_be_written(tmp_path, name):
    write_table(FRAME, tmp_path / name)
    with TableWriter(tmp_path / name) as table:
        table.write(FRAME)
    assert left(tmp_path) == [name]
    assert row_count(tmp_path / name) == 2


def test_a_frame_that_cannot_be_made_leaves_the_target_alone(tmp_path):
    path = tmp_path / "a.parquet"
    write_table(FRAME, path)
    before = path.read_bytes()
    with pytest.raises(TableError) as caught:
        write_table(FRAME.lazy().select(pl.col("b").cast(pl.Int64)), path)
    assert caught.value.where == str(path)
    assert path.read_bytes() == before
    assert left(tmp_path) == ["a.parquet"]


def test_other_formats_and_places_that_cannot_be_written_are_errors(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.parquet").mkdir()
    for name in ("a.csv", "file/a.parquet", "folder.parquet"):
        with pytest.raises(TableError) as caught:
            write_table(FRAME, tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
    assert left(tmp_path) == ["file", "folder.parquet"]


def test_a_new_table_may_be_read_by_whom_the_umask_lets(tmp_path):
    write_table(FRAME, tmp_path / "a.parquet")
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.parquet").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_row_groups_are_bounded_in_bytes():
    assert row_group_rows(10, 10 * 2**30) == 1
    assert row_group_rows(1000, 1000 * 2**20) == 64
    assert row_group_rows(10**9, 10**9) <= 128 * 1024


def test_batches_become_one_table(tmp_path):
    with TableWriter(tmp_path / "a.parquet") as table:
        table.write({"a": [1], "b": ["x"]})
        table.write({"b": ["y", None], "a": [2, 3]})
        table.write(pl.DataFrame({"a": [4], "b": ["z"]}))
        assert not (tmp_path / "a.parquet").exists()
    assert read_table(tmp_path / "a.parquet").to_dict(as_series=False) == {
        "a": [1, 2, 3, 4],
        "b": ["x", "y", None, "z"],
    }
    assert table.rows == 4


CELL = st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(CELL, max_size=5), max_size=5))
def test_how_rows_are_cut_into_batches_does_not_count(tmp_path_factory, batches):
    folder = tmp_path_factory.mktemp("tables")
    with TableWriter(folder / "cut.parquet", columns={"a": "String"}) as table:
        for batch in batches:
            table.write({"a": batch})
    with TableWriter(folder / "whole.parquet", columns={"a": "String"}) as table:
        table.write({"a": [cell for batch in batches for cell in batch]})
    assert (folder / "cut.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()


def test_batches_larger_than_the_buffer_wait_on_the_disk(tmp_path):
    block = "x" * 1_000_000
    with TableWriter(tmp_path / "a.parquet") as table:
        for number in range(90):
            table.write({"n": [number], "text": [f"{number}{block}"]})
        assert any(name.endswith(".parts") for name in left(tmp_path))
    assert left(tmp_path) == ["a.parquet"]
    frame = read_table(tmp_path / "a.parquet")
    assert frame["n"].to_list() == list(range(90))
    assert frame["text"].str.len_bytes().sum() == 90 * 1_000_000 + sum(len(str(n)) for n in range(90))


@pytest.mark.parametrize(
    ("batches", "values", "dtype"),
    [
        ([[None], ["x"]], [None, "x"], "String"),
        ([["x"], [None]], ["x", None], "String"),
        ([[1], [2.5]], [1.0, 2.5], "Float64"),
        ([[1, 2.5, None]], [1.0, 2.5, None], "Float64"),
        ([[[]], [["x"]]], [[], ["x"]], "List(String)"),
        ([[], ["x"]], ["x"], "String"),
        ([[{"x": 1}] * 200 + [{"y": "z"}]], [{"x": 1, "y": None}] * 200 + [{"x": None, "y": "z"}], None),
        ([[{"x": 1}], [{"x": 2, "y": "z"}]], [{"x": 1, "y": None}, {"x": 2, "y": "z"}], None),
    ],
)
def test_types_are_settled_by_all_batches(tmp_path, batches, values, dtype):
    with TableWriter(tmp_path / "a.parquet") as table:
        for batch in batches:
            table.write({"a": batch})
    assert read_table(tmp_path / "a.parquet")["a"].to_list() == values
    if dtype:
        assert column_types(tmp_path / "a.parquet") == {"a": dtype}


@pytest.mark.parametrize(
    ("batches", "what"),
    [
        ([{"a": [1]}, {"a": ["x"]}], "Int64, and a batch has String"),
        ([{"a": ["x"]}, {"a": [1]}], "String, and a batch has Int64"),
        ([{"a": [True]}, {"a": [1]}], "Boolean, and a batch has Int64"),
        ([{"a": [[1]]}, {"a": [1]}], "a batch has Int64"),
        ([{"a": [1, "x"]}], "do not go into one column"),
        ([{"a": [True, 1]}], "do not go into one column"),
        ([{"a": ["\ud800"]}], "surrogates"),
        ([{"a": [1]}, {"b": [1]}], "no column 'a'"),
        ([{"a": [1]}, {"a": [1], "b": [1]}], "'b' that others have not"),
        ([{"a": [1], "b": [1, 2]}], "different lengths"),
    ],
)
def test_batches_that_do_not_fit_are_errors_and_leave_nothing(tmp_path, batches, what):
    with pytest.raises(TableError, match=what) as caught:
        write_batches(tmp_path / "a.parquet", batches)
    assert str(tmp_path / "a.parquet") in caught.value.where
    assert left(tmp_path) == []


def test_declared_columns_hold_for_every_batch_and_for_none(tmp_path):
    columns = {"text": "String", "n": pl.Int32}
    with TableWriter(tmp_path / "none.parquet", columns=columns):
        pass
    assert column_types(tmp_path / "none.parquet") == {"text": "String", "n": "Int32"}
    with TableWriter(tmp_path / "a.parquet", columns=columns) as table:
        table.write({"n": [1, None], "text": [None, None]})
    assert column_types(tmp_path / "a.parquet") == {"text": "String", "n": "Int32"}
    for batch in ({"text": [1], "n": [1]}, {"text": ["x"], "n": [2**40]}, {"text": ["x"]}):
        with pytest.raises(TableError), TableWriter(tmp_path / "b.parquet", columns=columns) as table:
            table.write(batch)
    with pytest.raises(TableError, match="did you mean 'String'"):
        TableWriter(tmp_path / "b.parquet", columns={"a": "Strin"})


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_block_leaves_the_target_alone_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.parquet"
    write_table(FRAME, path)
    before = path.read_bytes()

    def failing():
        yield from [{"a": ["x" * 40_000_000]}] * 3
        raise error

    with pytest.raises(error):
        write_batches(path, failing())
    assert path.read_bytes() == before
    assert left(tmp_path) == ["a.parquet"]


def test_a_killed_writer_leaves_the_target_alone(tmp_path):
    path = tmp_path / "a.parquet"
    write_table(FRAME, path)
    before = path.read_bytes()
    script = (
        "import os, sys\n"
        "from dreamsmk.tables import TableWriter\n"
        "with TableWriter(sys.argv[1]) as table:\n"
        "    table.write({'a': ['x' * 70_000_000]})\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, path], check=False, cwd=Path(__file__).parents[3])
    assert run.returncode == -9
    assert path.read_bytes() == before


def test_importing_tables_loads_no_polars():
    script = "import sys, dreamsmk.tables; assert not {'polars', 'pyarrow', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3], env=dict(os.environ))
