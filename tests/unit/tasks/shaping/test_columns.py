"""`select` and `rename`."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import DreamsmkError, SettingsError, TableError
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from tests.unit.tasks.desk import Desk

TABLE = {"id": [1, 2], "title": ["a", None], "year": [2020, 2021]}


def made(desk: Desk, rule: str, /, **params: Any) -> pl.DataFrame:
    return desk.run(rule, {"table": desk.table(TABLE)}, **params)["table"]


def test_columns_are_kept_in_the_order_that_is_given(desk: Desk) -> None:
    assert made(desk, "select", columns=["year", "id"]).rows() == [(2020, 1), (2021, 2)]
    assert desk.facts == {"rows": 2}


def test_columns_are_left_out_and_the_others_stay_in_order(desk: Desk) -> None:
    assert made(desk, "select", exclude=["title"]).columns == ["id", "year"]


def test_columns_get_other_names_in_their_places(desk: Desk) -> None:
    assert made(desk, "rename", columns={"title": "name"}).columns == ["id", "name", "year"]


def test_names_may_be_swapped(desk: Desk) -> None:
    swapped = made(desk, "rename", columns={"id": "year", "year": "id"})
    assert swapped.columns == ["year", "title", "id"]
    assert swapped["year"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("rule", "params", "kind", "said"),
    [
        ("select", {"columns": ["titel"]}, TableError, ["no column 'titel'", "title"]),
        ("select", {"exclude": ["titel"]}, TableError, ["no column 'titel'", "title"]),
        ("select", {}, SettingsError, ["either columns or exclude", "neither"]),
        ("select", {"columns": ["id"], "exclude": ["id"]}, SettingsError, ["both are given"]),
        ("select", {"exclude": list(TABLE)}, SettingsError, ["no column is left"]),
        ("rename", {"columns": {"titel": "name"}}, TableError, ["no column 'titel'", "params.columns.titel", "title"]),
        ("rename", {"columns": {"title": "year"}}, SettingsError, ["two columns would be called 'year'"]),
        ("rename", {"columns": {"title": "x", "year": "x"}}, SettingsError, ["two columns would be called 'x'"]),
    ],
)
def test_what_cannot_be_is_said(
    desk: Desk, rule: str, params: dict[str, Any], kind: type[DreamsmkError], said: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        made(desk, rule, **params)
    assert all(part in str(caught.value) for part in said)


def test_the_columns_are_promised_before_the_table_exists() -> None:
    for rule, params, before, after in (
        ("select", {"columns": ["b"]}, None, ["b"]),
        ("select", {"exclude": ["b"]}, None, None),
        ("rename", {"columns": {"a": "b"}}, None, None),
        ("rename", {"columns": {"a": "c"}}, ["a", "b"], ["c", "b"]),
    ):
        meta = load_meta(rule)
        columns, full = meta.load_columns(), validate_params(meta.params, params, where=rule)
        assert columns is not None
        assert columns(full, {"table": before}) == {"table": after}
