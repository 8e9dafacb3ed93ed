"""Rows that meet a condition in SQL."""

from __future__ import annotations

import pytest

from dreamsmk.errors import DreamsmkError, SettingsError, TableError
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from tests.unit.tasks.desk import Desk

TABLE = {
    "n": [1, 2, None, 4],
    "text": ["ab", None, "Abc", "x; DROP"],
    "list": [[1], [], None, [1, 2]],
    "fields": [{"a": 1}, {"a": None}, None, {"a": 3}],
    "a name": [True, False, None, True],
}


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("n > 1", [1, 3]),
        ("NOT n > 1", [0]),
        ("n IS NULL", [2]),
        ("n IN (1, 4)", [0, 3]),
        ("n > (1 + 2) * 1", [3]),
        ("n BETWEEN 1 AND 2 AND text IS NOT NULL", [0]),
        ("text LIKE 'a%' OR text ILIKE 'AB_'", [0, 2]),
        ("text = 'x; DROP' -- a remark", [3]),
        ("length(text) > 2 /* count( */", [2, 3]),
        ('"a name"', [0, 3]),
        ("array_length(list) > 0", [0, 3]),
        ("fields.a > 1", [3]),
        ("self.n = 1", [0]),
        ("CASE WHEN n > 1 THEN true ELSE text = 'ab' END", [0, 1, 3]),
        ("text IN ('sum(', 'now()', 'ab')", [0]),
        ("1 = 1", [0, 1, 2, 3]),
        ("NULL", []),
    ],
)
def test_rows_that_meet_a_condition_stay_in_order(desk: Desk, where: str, kept: list[int]) -> None:
    table = desk.table({**TABLE, "row": range(4)})
    assert desk.run("filter", {"table": table}, where=where)["table"]["row"].to_list() == kept
    assert desk.facts == {"rows": len(kept), "dropped_rows": 4 - len(kept)}


@pytest.mark.parametrize(
    ("where", "kind", "said"),
    [
        ("m > 1", TableError, ["no column 'm'", "params.where", "n"]),
        ("m IN (1, 2)", TableError, ["no column 'm'"]),
        ("n >", SettingsError, ["params.where", "sql parser error"]),
        ("frobnicate(n) = 1", SettingsError, ["unsupported function 'frobnicate'"]),
        ("n + 1", SettingsError, ["must be of type `Boolean`"]),
        ("n > avg(n)", SettingsError, ["of one row", "avg", "sql"]),
        ("n > covar_pop(n, n)", SettingsError, ["of one row", "covar_pop"]),
        ("n > total(n)", SettingsError, ["of one row", "total"]),
        ("text = group_concat(text)", SettingsError, ["of one row", "group_concat"]),
        ("n IN (SELECT n FROM self)", SettingsError, ["of one row", "SELECT"]),
        ("row_number() OVER () > 1", SettingsError, ["of one row"]),
        ("n > 1) OR (1 = 1", SettingsError, ["this is no condition"]),
        ("n > 1; SELECT 1", SettingsError, ["of one row"]),
        ("current_timestamp > n", SettingsError, ["depends on the clock"]),
    ],
)
def test_what_is_no_condition_is_said(desk: Desk, where: str, kind: type[DreamsmkError], said: list[str]) -> None:
    with pytest.raises(kind) as caught:
        desk.run("filter", {"table": desk.table(TABLE)}, where=where)
    assert all(part in str(caught.value) for part in said)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_comparison_that_makes_no_sense_is_an_error(desk: Desk) -> None:
    with pytest.raises(DreamsmkError, match="cannot compare string with numeric"):
        desk.run("filter", {"table": desk.table(TABLE)}, where="text > 1")


def test_a_wrong_column_is_told_before_the_table_is_read() -> None:
    meta = load_meta("filter")
    columns = meta.load_columns()
    assert columns is not None
    for where in ("m > 1", "m IN (1, 2)", "m LIKE 'a%'"):
        params = validate_params(meta.params, {"where": where}, where="filter")
        with pytest.raises(TableError, match="no column 'm'"):
            columns(params, {"table": ["n", "text"]})
        assert columns(params, {"table": None}) == {"table": None}
    for where in ("text LIKE 'a%'", "list[1] = 3", "fields.a > 1", "n IN (1, 2)"):
        params = validate_params(meta.params, {"where": where}, where="filter")
        assert columns(params, {"table": list(TABLE)}) == {"table": list(TABLE)}
