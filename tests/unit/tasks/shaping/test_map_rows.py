"""A user's function over the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.shaping.map_rows import columns, map_rows
from tests.unit.tasks.training.job import Recorder, SpecOnly

STEPS = """
import os
import polars as pl
from beside_the_script import SCALE

def scaled(row):
    return {"n": row["n"] * SCALE, "pid": os.getpid()}

def odd(row):
    return row if row["n"] % 2 else None

def twice(row):
    return [{"n": row["n"]}, {"n": -row["n"]}]

def none(row):
    return None

def fails(row):
    if row["n"] == 1234:
        raise ValueError("too many\\nlines of it")
    return row

def number(row):
    return 1

def other_keys(row):
    return {"n": 1} if row["n"] < 3 else {"m": 1}

def other_keys_later(row):
    return {"n": 1} if row["n"] < 1000 else {"m": 1}

def heights(frame):
    return frame.select(pl.len().alias("rows"), pl.col("n").sum())

def not_a_frame(frame):
    return [frame]

def typed(frame):
    return frame.select(pl.lit("2").alias("text"), pl.col("n").cast(pl.Float64), pl.lit(None).alias("none"))

def halves(frame):
    return frame.select(pl.col("n") / 2)

def first_of_all(frame):
    return frame.filter(pl.col("n") == 0)

def unpicklable(row):
    return {"n": row["n"], "why": (lambda: 1) if row["n"] == 1500 else None}

def dies(row):
    os._exit(1)

not_callable = 1
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/mapped_steps.py").write_text(STEPS)
    (tmp_path / "scripts/beside_the_script.py").write_text("SCALE = 10\n")
    (tmp_path / "scripts/broken.py").write_text("import not_a_module_of_anyone\ndef f(row): return row\n")
    pl.DataFrame({"n": range(2500)}).write_parquet(tmp_path / "table.parquet")
    pl.DataFrame(schema={"n": pl.Int64}).write_parquet(tmp_path / "empty.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(function: str, *, threads: int = 1, table: str = "table.parquet", **params: Any) -> pl.DataFrame:
    """Maps the table, as the rule does."""
    reference = function if ":" in function else f"scripts/mapped_steps.py:{function}"
    context = Context(
        params=validate_params(load_meta("map").params, {"function": reference, **params}, where="rule map"),
        inputs={"table": [Path(table)]},
        outputs={"table": Path("out.parquet")},
        scratch=Path("scratch"),
        model=lambda alias: SpecOnly(ModelSpec(provider="echo", model=alias)),
        progress=Recorder(),
        threads=threads,
    )
    map_rows(context)
    frame = pl.read_parquet("out.parquet")
    assert context.facts["rows"] == frame.height
    return frame


def test_rows_are_changed_dropped_and_multiplied_in_order(project: Path) -> None:
    assert run("scaled")["n"].to_list() == [10 * n for n in range(2500)]
    assert run("odd")["n"].to_list() == list(range(1, 2500, 2))
    assert run("twice")["n"].to_list() == [sign * n for n in range(2500) for sign in (1, -1)]


def test_worker_processes_keep_the_order(project: Path) -> None:
    frame = run("scaled", threads=2)
    assert frame["n"].to_list() == [10 * n for n in range(2500)]
    assert frame["pid"].n_unique() == 2


def test_batches_have_the_size_that_was_asked_for(project: Path) -> None:
    frame = run("heights", by="batch", batch_rows=900)
    assert frame["rows"].to_list() == [900, 900, 700]
    assert frame["n"].sum() == sum(range(2500))
    assert run("heights", by="batch", batch_rows=900, threads=2).equals(frame)
    assert run("heights", by="batch")["rows"].to_list() == [2500]


def test_declared_columns_have_their_types_and_stay_in_an_empty_table(project: Path) -> None:
    assert run("odd", columns={"n": "Float64"}).schema == {"n": pl.Float64}
    for table, function in (("empty.parquet", "odd"), ("table.parquet", "none")):
        frame = run(function, table=table, columns={"n": "Int32", "text": "String"})
        assert frame.schema == {"n": pl.Int32, "text": pl.String}
        assert frame.height == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_batch_gives_is_brought_to_the_declared_types(project: Path, threads: int) -> None:
    columns = {"text": "Int8", "n": "Int32", "none": "String"}
    frame = run("typed", by="batch", batch_rows=1000, columns=columns, threads=threads)
    assert frame.schema == {"text": pl.Int8, "n": pl.Int32, "none": pl.String}
    assert frame["n"].to_list() == list(range(2500))
    assert run("heights", by="batch", columns={"rows": "Float64", "n": "Int64"})["rows"].to_list() == [2500.0]


@pytest.mark.parametrize(
    ("function", "columns", "said"),
    [
        ("halves", {"n": "Int64"}, ["halves returned the column 'n' as Float64, and not Int64: it has fractions"]),
        ("heights", {"rows": "UInt8", "n": "Int64"}, ["'rows' as UInt32, and not UInt8", "rows 0 to 2499"]),
        ("typed", {"text": "Date", "n": "Int64", "none": "Int8"}, ["'text' as String, and not Date"]),
    ],
)
def test_a_declared_type_that_would_lose_something_is_an_error(
    project: Path, function: str, columns: dict[str, str], said: list[str]
) -> None:
    with pytest.raises(TableError) as caught:
        run(function, by="batch", columns=columns)
    assert all(part in str(caught.value) for part in said)
    assert len(str(caught.value).splitlines()) <= 3


def test_what_cannot_go_from_one_process_to_another_is_said(project: Path) -> None:
    with pytest.raises(TableError) as caught:
        run("unpicklable", threads=2)
    for part in ("unpicklable", "from one process to another, in column 'why'", "rows 1000 to 1999"):
        assert part in str(caught.value)


def test_few_rows_of_a_batch_do_not_keep_the_others_in_memory(project: Path) -> None:
    assert run("first_of_all", by="batch", batch_rows=1000).rows() == [(0,)]


def test_of_no_rows_a_function_by_batch_says_the_columns_and_no_rows_come_of_it(project: Path) -> None:
    frame = run("heights", by="batch", table="empty.parquet")
    assert frame.schema == {"rows": pl.UInt32, "n": pl.Int64}
    assert frame.height == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failure_names_the_row_the_function_and_the_place_in_three_lines(project: Path, threads: int) -> None:
    with pytest.raises(TableError) as caught:
        run("fails", threads=threads)
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    for part in (
        "mapped_steps.py:fails",
        "ValueError: too many",
        "row 1234 (from 0)",
        "scripts/mapped_steps.py, line 20",
    ):
        assert part in message
    assert not Path("out.parquet").exists()


@pytest.mark.parametrize(
    ("function", "params", "said"),
    [
        ("number", {}, ["row 0", "a int", "None"]),
        ("other_keys", {}, ["row 3 (from 0)", "columns m", "before n"]),
        ("other_keys_later", {}, ["rows 1000 to 1999", "columns m", "not n"]),
        ("scaled", {"columns": {"m": "Int64"}}, ["columns n, pid", "not m"]),
        ("none", {}, ["dropped all 2500 rows", "columns="]),
        ("odd", {"table": "empty.parquet"}, ["has no rows", "columns="]),
        ("not_a_frame", {"by": "batch"}, ["a list", "DataFrame"]),
        ("dies", {"threads": 2}, ["a worker process died"]),
        ("odd", {"table": "missing.parquet"}, ["missing.parquet"]),
    ],
)
def test_what_a_function_must_not_do_is_said(
    project: Path, function: str, params: dict[str, Any], said: list[str]
) -> None:
    with pytest.raises(TableError) as caught:
        run(function, **params)
    for part in said:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("function", "params", "said"),
    [
        ("missing", {}, ["no function 'missing'"]),
        ("not_callable", {}, ["is no function"]),
        ("scripts/broken.py:f", {}, ["not_a_module_of_anyone", "scripts/broken.py, line 1"]),
        ("odd", {"batch_rows": 3}, ["batch_rows"]),
        ("odd", {"columns": {"n": "Integer"}}, ["Integer"]),
    ],
)
def test_a_wrong_setting_is_said(project: Path, function: str, params: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        run(function, **params)
    for part in said:
        assert part in str(caught.value)


def test_the_columns_are_known_where_they_are_declared() -> None:
    assert columns({"columns": {"a": "String"}}, {"table": ["b"]}) == {"table": ["a"]}
    assert columns({"columns": None}, {"table": ["b"]}) == {"table": None}
