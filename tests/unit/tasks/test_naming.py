"""The names of columns: renamed, put after others, and never two alike."""

from __future__ import annotations

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.naming import distinct, renamed, widened


def test_new_names_stand_where_the_old_ones_stood() -> None:
    assert renamed(["a", "b", "c"], {"columns": {"c": "x", "a": "c"}}) == ["c", "b", "x"]
    assert widened(["t"], ["a", "b"], {"columns": {"b": "x"}}) == ["t", "a", "x"]


def test_of_a_table_that_is_not_there_yet_only_the_new_columns_are_looked_at() -> None:
    assert widened(None, ["a"], {"columns": {"a": "t"}}) is None
    with pytest.raises(SettingsError, match="no column 'b' to rename"):
        widened(None, ["a"], {"columns": {"b": "t"}})


def test_two_columns_of_one_name_are_an_error() -> None:
    with pytest.raises(SettingsError, match="two columns would be called 'b'"):
        renamed(["a", "b"], {"columns": {"a": "b"}})
    with pytest.raises(SettingsError, match="two columns would be called 't'"):
        widened(["t"], ["a"], {"columns": {"a": "t"}})
    with pytest.raises(SettingsError) as caught:
        distinct(iter("aba"), where="models")
    assert caught.value.where == "models"
