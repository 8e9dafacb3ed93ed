"""A query over tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import DreamsmkError, SettingsError, TableError
from dreamsmk.tasks.shaping.sql_order import in_certain_order
from tests.unit.tasks.desk import Desk

ROWS = 5000


@pytest.fixture
def table(desk: Desk) -> Path:
    numbers = [number * 7919 % ROWS for number in range(ROWS)]
    return desk.table({"n": numbers, "label": [f"l{number % 1000}" for number in numbers]})


def made(desk: Desk, tables: Path | list[Path], query: str, /, **params: Any) -> pl.DataFrame:
    return desk.run("sql", {"table": tables}, query=query, **params)["table"]


def test_a_query_without_groups_keeps_the_order_of_the_rows(desk: Desk, table: Path) -> None:
    given = pl.read_parquet(table)
    assert made(desk, table, "SELECT n * 2 AS double FROM self WHERE n > 10")["double"].to_list() == [
        2 * n for n in given["n"] if n > 10
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT label, count(*) AS number FROM self GROUP BY label",
        "SELECT label, count(*) AS number FROM self GROUP BY label ORDER BY number",
        "SELECT label FROM self GROUP BY label ORDER BY count(*) DESC LIMIT 7 -- the top",
        "SELECT label, sum(n) AS s FROM self GROUP BY label LIMIT 20",
        "SELECT DISTINCT label FROM self",
        "SELECT a.n, b.label FROM self a JOIN self b ON a.n = b.n",
        "SELECT label FROM self UNION SELECT label FROM self ORDER BY label DESC",
        "SELECT label FROM self WHERE n IN (SELECT n FROM self WHERE n > 4000)",
        "SELECT label, row_number() OVER (ORDER BY label) AS r FROM (SELECT DISTINCT label FROM self)",
        "SELECT label FROM self ORDER BY label",
        "WITH t AS (SELECT label, max(n) AS top FROM self GROUP BY label) SELECT * FROM t",
        "SELECT array_agg(label) AS labels FROM (SELECT label, count(*) AS c FROM self GROUP BY label) AS t",
        "SELECT string_agg(label, ',') AS s FROM (SELECT a.label FROM self a JOIN self b ON a.n = b.n) AS t",
        "SELECT t.n FROM (SELECT n, label FROM self ORDER BY label LIMIT 5) AS t",
        "SELECT t.n FROM (SELECT n FROM self UNION SELECT n + 5000 AS n FROM self LIMIT 5) AS t",
        "WITH t AS (SELECT a.n, b.label FROM self a JOIN self b ON a.n = b.n LIMIT 5) SELECT n FROM t",
        "SELECT t.label, row_number() OVER () AS r FROM (SELECT DISTINCT label FROM self) AS t",
        "SELECT a.label, row_number() OVER (ORDER BY a.n) AS r FROM self a JOIN self b ON a.n = b.n",
        "SELECT first(label) AS f, last(n) AS l FROM self",
    ],
)
def test_a_query_without_an_order_of_its_own_gives_the_same_rows_every_time(
    desk: Desk, table: Path, query: str
) -> None:
    first = made(desk, table, query)
    assert first.height > 0
    for _ in range(3):
        assert made(desk, table, query).equals(first)


def test_rows_that_are_equal_in_order_by_are_sorted_by_all_columns(desk: Desk) -> None:
    table = desk.table({"k": ["b", "a", "b", "a"], "n": [1, 1, 0, 0]})
    assert made(desk, table, "SELECT k, count(*) AS c FROM self GROUP BY k ORDER BY c").rows() == [("a", 2), ("b", 2)]
    assert made(desk, table, "SELECT n, k FROM self ORDER BY k DESC").rows() == [
        (0, "b"),
        (1, "b"),
        (0, "a"),
        (1, "a"),
    ]
    assert made(desk, table, "SELECT k, n FROM self ORDER BY ALL").rows()[0] == ("a", 0)


@pytest.mark.parametrize(
    ("query", "certain"),
    [
        ("SELECT * FROM self", "SELECT * FROM self"),
        ("SELECT 'group by' FROM self", "SELECT 'group by' FROM self"),
        ("SELECT 1 -- join", "SELECT 1 -- join"),
        ("SELECT a FROM self ORDER BY a LIMIT 1", "SELECT a FROM self ORDER BY a \n, 1, 2\nLIMIT 1"),
        ("SELECT DISTINCT a FROM self", "SELECT DISTINCT a FROM self\nORDER BY 1, 2\n"),
        (
            "SELECT * FROM (SELECT a FROM self ORDER BY a LIMIT 3)",
            "SELECT * FROM (SELECT a FROM self ORDER BY a \n, COLUMNS('^.*$')\nLIMIT 3)\nORDER BY 1, 2\n",
        ),
        (
            "SELECT first(a) FROM (SELECT DISTINCT a FROM (self)) AS t",
            "SELECT first(a) FROM (SELECT DISTINCT a FROM (self)\nORDER BY ALL\n) AS t\nORDER BY 1, 2\n",
        ),
        (
            "SELECT max(a) FROM (SELECT DISTINCT a FROM self) AS t",
            "SELECT max(a) FROM (SELECT DISTINCT a FROM self) AS t\nORDER BY 1, 2\n",
        ),
        (
            "WITH t AS (SELECT a FROM self LIMIT 3) SELECT '(' FROM t",
            "WITH t AS (SELECT a FROM self LIMIT 3) SELECT '(' FROM t\nORDER BY 1, 2\n",
        ),
        ("SELECT a FROM self s, self t", "SELECT a FROM self s, self t\nORDER BY 1, 2\n"),
    ],
)
def test_an_order_is_put_where_it_is_missing_and_nowhere_else(query: str, certain: str) -> None:
    assert in_certain_order(query, 2) == certain


def test_several_tables_have_names(desk: Desk, table: Path) -> None:
    other = desk.table({"label": ["l1", "l2"], "note": ["x", "y"]}, "other.parquet")
    query = "SELECT a.n, b.note FROM a JOIN b ON a.label = b.label WHERE a.n < 10"
    assert made(desk, [table, other], query, tables=["a", "b"]).rows() == [(1, "x"), (2, "y")]


def test_an_empty_table_keeps_the_types_of_the_query(desk: Desk) -> None:
    table = desk.table(pl.DataFrame(schema={"n": pl.Int64, "label": pl.String}))
    grouped = made(desk, table, "SELECT label, sum(n) AS n FROM self GROUP BY label")
    assert grouped.schema == {"label": pl.String, "n": pl.Int64}


@pytest.mark.parametrize(
    ("query", "params", "kind", "said"),
    [
        ("SELECT m FROM self", {}, TableError, ["no column 'm'", "params.query", "n"]),
        ("SELECT n FROM other", {}, SettingsError, ["relation 'other' was not found", "self: n, label"]),
        ("SELECT n, n FROM self", {}, SettingsError, ["duplicate output name 'n'"]),
        ("SELEKT n FROM self", {}, SettingsError, ["no query", "SELECT"]),
        ("DROP TABLE self", {}, SettingsError, ["no query"]),
        ("SHOW TABLES", {}, SettingsError, ["no query"]),
        ("SELECT * FROM read_parquet('table.parquet')", {}, SettingsError, ["read_parquet reads a file"]),
        ("SELECT NOW() AS t FROM self", {}, SettingsError, ["NOW depends on the clock"]),
        ("SELECT n FROM self; SELECT n FROM self", {}, SettingsError, ["only one"]),
        ("SELECT array_agg(a.n) FROM self a JOIN self b ON a.n = b.n", {}, SettingsError, ["array_agg", "of a join"]),
        ("SELECT first(a.n) FROM self a, self b GROUP BY a.n", {}, SettingsError, ["first", "of a join"]),
        ("SELECT (SELECT lag(a.n) OVER () FROM self a JOIN self b)", {}, SettingsError, ["lag", "of a join"]),
        ("SELECT array_agg(DISTINCT n) FROM self", {}, SettingsError, ["array_agg(DISTINCT x ORDER BY x)"]),
        ("SELECT n FROM a", {"tables": ["a", "b"]}, SettingsError, ["1 input tables, and 2 names"]),
        ("SELECT n FROM a", {"tables": ["1a"]}, SettingsError, ["params.tables", "1a"]),
    ],
)
def test_what_is_wrong_with_a_query_is_said(
    desk: Desk, table: Path, query: str, params: dict[str, Any], kind: type[DreamsmkError], said: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        made(desk, table, query, **params)
    for part in said:
        assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_two_tables_of_one_name_are_an_error(desk: Desk, table: Path) -> None:
    with pytest.raises(SettingsError, match="two tables are called 'a'"):
        made(desk, [table, table], "SELECT n FROM a", tables=["a", "a"])
