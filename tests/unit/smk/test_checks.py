"""What is found wrong before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dreamsmk.errors import DreamsmkError, MissingCredentials, SettingsError, TableError
from dreamsmk.settings import load_settings, validate_params
from dreamsmk.smk.checks import cache_mode, check_columns, check_models, columns_of
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


@pytest.mark.parametrize(
    ("rule", "judged"),
    [
        ("best_of_n", {"n": 2, "judge": {"model": "judge", "rubric": "It is short."}}),
        ("evolve", {"judge": "judge"}),
    ],
)
def test_what_a_judge_takes_is_no_matter_of_the_values_of_its_rule(
    rule: str, judged: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    meta, configured = load_meta(rule), load_settings({"models": {"teacher": ECHO, "judge": OPENAI}})

    def check(given: dict[str, Any]) -> None:
        params = validate_params(meta.params, {"model": "teacher", "inputs": "t", **given}, where=rule)
        check_models(meta, params, configured, where=rule)

    check({**judged, "top_k": 5})
    with pytest.raises(SettingsError, match="top_k"):
        check({**judged, "top_k": 5, "model": "judge"})


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


@pytest.mark.parametrize("how", [{"offline": True}, {"cache": "offline"}])
def test_offline_neither_a_key_nor_a_package_is_missed(monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    given = {"inputs": "text", "instruction": "Sum up.", "model": "teacher", "cache": how.get("cache")}
    filled = validate_params(META.params, given, where="rule tweets")
    settings = load_settings({"models": {"teacher": OPENAI}, "offline": how.get("offline")})
    check_models(META, filled, settings, where="rule tweets")
    with pytest.raises(SettingsError, match="top_k"):
        check_models(META, {**filled, "top_k": 5}, settings, where="rule tweets")


def test_the_config_goes_over_the_rule_where_it_is_offline() -> None:
    assert cache_mode({"cache": "write"}, load_settings({"offline": True})) == "offline"
    assert cache_mode({"cache": "write"}, load_settings({})) == "write"
    assert cache_mode({}, load_settings({})) is None


def test_images_are_for_models_that_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    checked({"images": "shown"}, {"teacher": OPENAI})
    error = wrong(SettingsError, {"images": "shown"}, {"teacher": {**OPENAI, "api": "completions"}})
    assert error.what == "the provider 'openai' takes no images"
    assert error.where == "rule tweets, model 'teacher'"


def test_a_budget_in_money_needs_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    own = {**OPENAI, "model": "nobody-knows", "base_url": "http://127.0.0.1:9/v1"}
    error = wrong(SettingsError, {"budget": {"usd": 1}}, {"teacher": own})
    assert error.where == "rule tweets, model 'teacher'"
    checked({"budget": {"tokens": 10}}, {"teacher": own})
    checked(
        {"budget": {"usd": 1}},
        {"teacher": {**own, "prices": {"input_usd_per_million": 1, "output_usd_per_million": 1}}},
    )


def test_the_columns_of_an_input_are_those_of_its_role(tmp_path: Path) -> None:
    table, schema, text = tmp_path / "t.csv", tmp_path / "s.json", tmp_path / "prompt.csv"
    table.write_text("a,b\n1,2\n")
    schema.write_text('{"type": "object", "properties": {"c": {}}}')
    text.write_text("Sum up.\n")
    roles = META.inputs
    assert columns_of(roles["table"], table) == ["a", "b"]
    assert columns_of(roles["schema"], schema) == ["c"]
    assert columns_of(roles["instruction"], text) is None
    assert columns_of(roles["table"], tmp_path / "nothing.csv") is None
    assert columns_of(None, table) is None
