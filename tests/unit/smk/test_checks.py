"""What is found wrong before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dreamsmk.errors import DreamsmkError, MissingCredentials, SettingsError, TableError
from dreamsmk.settings import load_settings, validate_params
from dreamsmk.smk.checks import check_columns, check_models
from dreamsmk.smk.meta import load_meta

META = load_meta("process_with_prompt")
ECHO = {"provider": "echo", "model": "echo"}
OPENAI = {"provider": "openai", "model": "gpt"}


def checked(params: Mapping[str, Any], models: Mapping[str, Any]) -> None:
    given = {"inputs": "text", "instruction": "Sum up.", "model": "teacher", **params}
    filled = validate_params(META.params, given, where="rule tweets")
    check_models(META, filled, load_settings({"models": models}), where="rule tweets")


def wrong(kind: type[DreamsmkError], params: Mapping[str, Any], models: Mapping[str, Any]) -> DreamsmkError:
    with pytest.raises(kind) as caught:
        checked(params, models)
    assert len(str(caught.value).splitlines()) <= 3
    return caught.value


def test_a_model_that_can_be_asked_passes() -> None:
    checked({"temperature": 0.5, "stop": ["END"]}, {"teacher": ECHO})


def test_an_unknown_alias_is_named_with_its_place_and_the_nearest() -> None:
    error = wrong(SettingsError, {"model": "teachr"}, {"teacher": ECHO})
    assert error.where == "rule tweets, params.model"
    assert error.hint == "did you mean 'teacher'?"


def test_an_unknown_provider_is_named_with_its_model_and_the_nearest() -> None:
    error = wrong(SettingsError, {}, {"teacher": {**ECHO, "provider": "ecko"}})
    assert error.where == "rule tweets, model 'teacher'"
    assert error.hint == "did you mean 'echo'?"


def test_a_value_that_the_provider_does_not_take_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert "top_k" in wrong(SettingsError, {"top_k": 5}, {"teacher": OPENAI}).what
    checked({"top_p": 0.5}, {"teacher": OPENAI})


def test_a_missing_key_is_found_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert wrong(MissingCredentials, {}, {"teacher": OPENAI}).hint == "export OPENAI_API_KEY=…"


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"table": ["text", "title"]}, None),
        ({"table": None}, None),
        ({}, None),
        ({"table": ["texts", "title"]}, "did you mean 'texts'?"),
        ({"table": []}, "there is none to choose from"),
    ],
)
def test_a_column_must_be_there_where_the_columns_are_known(
    columns: Mapping[str, Sequence[str] | None], fault: str | None
) -> None:
    params = {"inputs": "text", "model": "teacher"}
    if fault is None:
        check_columns(META, params, columns, where="rule tweets")
        return
    with pytest.raises(TableError, match="no column 'text'") as caught:
        check_columns(META, params, columns, where="rule tweets")
    assert caught.value.where == "rule tweets, params.inputs"
    assert caught.value.hint == fault
