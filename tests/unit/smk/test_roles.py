"""Files find their roles by name, else by position."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.smk.meta import Role
from dreamsmk.smk.roles import declared_only, paths_by_role
from tests.unit.smk.workflows import files

ROLES = {
    "train": Role("table", "The rows to learn from."),
    "validation": Role("table", "Rows to measure on.", is_required=False),
    "notes": Role("file", "", is_required=False, takes_many=True),
}


def test_a_name_and_a_position_mean_the_same() -> None:
    by_name = paths_by_role(files(train="a.csv", validation="b.csv"), ROLES, where="here")
    assert by_name == paths_by_role(files("a.csv", "b.csv"), ROLES, where="here")
    assert by_name == {"train": [Path("a.csv")], "validation": [Path("b.csv")]}


def test_positions_fill_the_roles_that_no_name_took() -> None:
    found = paths_by_role(files("b.csv", "c.txt", train="a.csv"), ROLES, where="here")
    assert found == {"train": [Path("a.csv")], "validation": [Path("b.csv")], "notes": [Path("c.txt")]}


def test_a_role_that_takes_many_takes_all_that_is_left() -> None:
    found = paths_by_role(files("a", "b", "c", "d", "e"), ROLES, where="here")
    assert found["notes"] == [Path("c"), Path("d"), Path("e")]


def test_one_name_may_stand_for_several_files_in_order() -> None:
    found = paths_by_role(files(train="a", notes=["z", "y"]), ROLES, where="here")
    assert found["notes"] == [Path("z"), Path("y")]


def test_an_unknown_name_is_an_error_with_the_nearest_role() -> None:
    with pytest.raises(SettingsError, match=r"'trian'") as caught:
        paths_by_role(files(trian="a"), ROLES, where="rule r, input")
    assert caught.value.where == "rule r, input"
    assert caught.value.hint == "did you mean 'train'?"


def test_more_files_than_roles_are_an_error_that_names_the_first_one_too_many() -> None:
    roles = {name: ROLES[name] for name in ("train", "validation")}
    with pytest.raises(SettingsError, match="'c' is one file too many") as caught:
        paths_by_role(files("a", "b", "c"), roles, where="here")
    assert caught.value.hint == "its roles are train, validation"


def test_a_missing_role_is_an_error_that_says_what_it_is() -> None:
    with pytest.raises(SettingsError, match="'train' is missing") as caught:
        paths_by_role(files(validation="b"), ROLES, where="here")
    assert caught.value.hint == "give train=…, a table: The rows to learn from."


def test_a_rule_without_inputs_takes_none() -> None:
    assert paths_by_role(files(), {}, where="here") == {}
    with pytest.raises(SettingsError, match="one file too many"):
        paths_by_role(files("a"), {}, where="here")


def test_folders_of_local_models_are_told_apart_from_the_declared_roles() -> None:
    found = paths_by_role(files("a", model_student="m", adapter_student="n"), ROLES, where="here")
    assert found["model_student"] == [Path("m")]
    assert declared_only(found, ROLES) == {"train": [Path("a")]}


def test_a_file_whose_suffix_decides_what_is_made_ends_in_one_of_them() -> None:
    roles = {"plot": Role("file", "A plot.", suffixes=(".svg", ".png"))}
    assert paths_by_role(files("a.b.png"), roles, where="here") == {"plot": [Path("a.b.png")]}
    with pytest.raises(SettingsError, match=r"'a\.pdf' is no 'plot' that can be made") as caught:
        paths_by_role(files("a.pdf"), roles, where="here")
    assert caught.value.hint == "end its name in .svg or .png"
