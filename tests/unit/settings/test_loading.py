"""`load_settings`: what a config may hold, and what is said of what it may not."""

from __future__ import annotations

import datetime

import pytest
import yaml

from dreamsmk.errors import SettingsError
from dreamsmk.settings import ModelSpec, load_settings

TEACHER = {"provider": "openai", "model": "gpt-4o"}
KEY = "sk-do-not-show-me"


def message(config: dict) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    return str(caught.value)


def of_teacher(**more) -> str:
    return message({"models": {"teacher": {**TEACHER, **more}}})


def lines(*parts: str) -> str:
    return "\n".join(parts)


CACHE_HINT = (
    "hint: give the path of a file, or postgresql://user@host/database; a password goes into PGPASSWORD or ~/.pgpass"
)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"temprature": 1.2},
            lines(
                "there is no setting 'temprature'",
                "at: models.teacher.temprature in config",
                "hint: did you mean 'temperature'?",
            ),
        ),
        (
            {"temperature": "0.7"},
            lines(
                "expected a number, got the text '0.7'",
                "at: models.teacher.temperature in config",
                "hint: write 0.7 without quotes",
            ),
        ),
        (
            {"temperature": "1e-5"},
            lines(
                "expected a number, got the text '1e-5'",
                "at: models.teacher.temperature in config",
                "hint: write 1.0e-5 without quotes",
            ),
        ),
        (
            {"temperature": True},
            lines("expected a number, got true", "at: models.teacher.temperature in config"),
        ),
        (
            {"temperature": -1},
            lines("expected at least 0, got the number -1", "at: models.teacher.temperature in config"),
        ),
        (
            {"temperature": float("nan")},
            lines(
                "nan is not a number that JSON has",
                "at: models.teacher.temperature in config",
                "hint: give a finite number",
            ),
        ),
        (
            {"max_tokens": 1.5},
            lines("expected a whole number, got the number 1.5", "at: models.teacher.max_tokens in config"),
        ),
        (
            {"max_tokens": 0},
            lines("expected at least 1, got the number 0", "at: models.teacher.max_tokens in config"),
        ),
        (
            {"stop": "END"},
            lines(
                "expected a list, got the text 'END'",
                "at: models.teacher.stop in config",
                "hint: write it as a list: ['END']",
            ),
        ),
        (
            {"stop": ["a", 3]},
            lines(
                "expected text, got the number 3", "at: models.teacher.stop[1] in config", "hint: write it in quotes"
            ),
        ),
        (
            {"dtype": "bfloat61"},
            lines(
                "'bfloat61' is none of the values to choose from",
                "at: models.teacher.dtype in config",
                "hint: did you mean 'bfloat16'?",
            ),
        ),
        (
            {"revision": datetime.date(2024, 8, 6)},
            lines(
                "expected text, got a date",
                "at: models.teacher.revision in config",
                "hint: write '2024-08-06' in quotes",
            ),
        ),
        (
            {"revision": 1234567},
            lines(
                "expected text, got the number 1234567",
                "at: models.teacher.revision in config",
                "hint: write it in quotes",
            ),
        ),
        (
            {"model": ""},
            lines(
                "the text is empty", "at: models.teacher.model in config", "hint: leave the key out, or give a value"
            ),
        ),
        (
            {"model": None},
            lines(
                "the setting 'model' is missing",
                "at: models.teacher in config",
                "hint: model: The model's id at the provider or on the Hub, or the folder of a local model.",
            ),
        ),
        (
            {"base_url": "https://me:" + KEY + "@host/v1"},
            lines(
                "'https://…@host/v1' is not written as it must be",
                "at: models.teacher.base_url in config",
                "hint: write http://host/path or https://host/path, without a user name or a password",
            ),
        ),
        (
            {"options": {1: "x"}},
            lines("the key 1 is not text", "at: models.teacher.options in config", "hint: write it in quotes"),
        ),
    ],
)
def test_a_wrong_model_spec_is_named_with_its_key_path(more, expected):
    assert of_teacher(**more) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"modles": {"teacher": TEACHER}},
            lines(
                "there is no setting 'modles'",
                "at: modles in config",
                "hint: did you mean 'models'? If the key is your own, give it another name",
            ),
        ),
        (
            {"models": None, "Models": {"teacher": TEACHER}},
            lines(
                "there is no setting 'Models'",
                "at: Models in config",
                "hint: did you mean 'models'? If the key is your own, give it another name",
            ),
        ),
        (
            {"cahce": "calls.db"},
            lines(
                "there is no setting 'cahce'",
                "at: cahce in config",
                "hint: did you mean 'cache'? If the key is your own, give it another name",
            ),
        ),
        (
            {"models": [TEACHER]},
            lines("expected a mapping, got a list", "at: models in config"),
        ),
        (
            {"models": {"teacher": "gpt-4o"}},
            lines("expected a mapping, got the text 'gpt-4o'", "at: models.teacher in config"),
        ),
        (
            {"models": {"my teacher": TEACHER}},
            lines(
                "'my teacher' is no valid name",
                "at: models in config",
                "hint: an alias begins with a letter or _ and goes on with letters, digits, _ and -",
            ),
        ),
        (
            {"models": {"teacher": {}}},
            lines(
                "the settings 'provider' and 'model' are missing",
                "at: models.teacher in config",
                "hint: provider: Who serves the model.",
            ),
        ),
        (
            {"cache": ""},
            lines("the text is empty", "at: cache in config", CACHE_HINT),
        ),
        (
            {"cache": "postgresql://me:" + KEY + "@host/calls"},
            lines(
                "'postgresql://…@host/calls' is not written as it must be",
                "at: cache in config",
                CACHE_HINT,
            ),
        ),
        ({"home": 3}, lines("expected text, got the number 3", "at: home in config", "hint: write it in quotes")),
    ],
)
def test_a_wrong_top_level_setting_is_named(config, expected):
    assert message(config) == expected


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"models": {"teacher": {**TEACHER, "api_key": KEY}}}, "models.teacher.api_key"),
        ({"models": {"teacher": {**TEACHER, "openai-api-key": KEY}}}, "models.teacher.openai-api-key"),
        ({"models": {"teacher": {**TEACHER, "options": {"headers": {"Authorization": KEY}}}}}, None),
        ({"models": {"api_key": KEY}}, "models.api_key"),
        ({"openai_api_key": KEY}, "openai_api_key"),
        ({"OPENAI_API_KEY": KEY}, "OPENAI_API_KEY"),
    ],
)
def test_a_secret_in_the_config_is_refused_and_not_shown(config, path):
    assert message(config) == lines(
        "the config holds a secret",
        f"at: {path or 'models.teacher.options.headers.Authorization'} in config",
        "hint: put it into the environment, and name the variable with api_key_env; then replace the key",
    )


def test_a_key_given_for_the_name_of_its_variable_is_not_shown():
    assert of_teacher(api_key_env=KEY) == lines(
        "the value is not written as it must be",
        "at: models.teacher.api_key_env in config",
        "hint: give the name of the variable, never the key itself",
    )
    assert "12345" not in of_teacher(api_key_env=12345)


def test_options_that_only_sound_secret_are_kept():
    options = {"pad_token": "<pad>", "max_tokens": 3, "token_ids": [1]}
    spec = load_settings({"models": {"teacher": {**TEACHER, "options": options}}}).models["teacher"]
    assert spec.options == options


@pytest.mark.parametrize(
    "own",
    [
        {"mode": "fast"},
        {"modules": {"a": "b"}},
        {"samples": ["a"], "home_page": "x", "caching": True},
        {"models": {}, "model": {"a": {"b": 1}}},
        {1: "x"},
    ],
)
def test_keys_of_the_workflow_itself_are_left_alone(own):
    assert load_settings(own).models == {}


@pytest.mark.parametrize("config", [None, {}, {"models": None}, {"models": {}}, {"models": {"teacher": None}}])
def test_what_is_null_is_absent(config):
    settings = load_settings(config)
    assert (settings.models, settings.cache, settings.home) == ({}, None, None)


def test_null_takes_the_default_and_zero_does_not():
    given = {"max_retries": 0, "temperature": 0, "batch_size": None, "chat_template": "", "seed": 0}
    spec = load_settings({"models": {"teacher": {**TEACHER, **given}}}).models["teacher"]
    assert (spec.max_retries, spec.temperature, spec.batch_size, spec.chat_template, spec.seed) == (0, 0.0, 16, "", 0)


def test_numbers_take_the_type_of_their_setting():
    text = "models: {teacher: {provider: echo, model: m, temperature: 1, max_tokens: 100.0, stop: [a, b]}}"
    spec = load_settings(yaml.safe_load(text)).models["teacher"]
    assert spec == ModelSpec(provider="echo", model="m", temperature=1.0, max_tokens=100, stop=("a", "b"))
    assert (type(spec.temperature), type(spec.max_tokens)) == (float, int)


def test_the_settings_share_nothing_with_the_config():
    config = {"models": {"teacher": {**TEACHER, "options": {"a": [1]}}}}
    settings = load_settings(config)
    config["models"]["teacher"]["options"]["a"].append(2)
    assert settings.models["teacher"].options == {"a": [1]}


def test_the_name_of_the_config_stands_in_the_message():
    with pytest.raises(SettingsError, match=r"at: models\.teacher\.x in config/config\.yaml"):
        load_settings({"models": {"teacher": {**TEACHER, "x": 1}}}, where="config/config.yaml")


def test_a_config_that_is_no_mapping_is_an_error():
    with pytest.raises(SettingsError, match="expected a mapping, got a list"):
        load_settings(["models"])


@pytest.mark.parametrize(
    "cache",
    ["postgresql://me@host:5432/calls?sslmode=require", "postgres://host/calls", "postgresql:///calls", "a b/calls.db"],
)
def test_a_cache_may_be_a_file_or_a_postgresql_database(cache):
    assert load_settings({"cache": cache}).cache == cache


@pytest.mark.parametrize(
    "cache", [f"postgresql://me:{KEY}@host/calls", f"postgresql://host/calls?password={KEY}", "mysql://host/calls"]
)
def test_a_password_in_the_cache_is_refused_and_not_shown(cache):
    assert KEY not in message({"cache": cache})


@pytest.mark.parametrize(("given", "meant"), [(True, True), ("true", True), ("false", False), (None, False)])
def test_a_switch_may_come_from_the_command_line_of_snakemake(given, meant):
    assert load_settings({"offline": given}).offline is meant


def test_the_home_and_the_cache_are_as_written(monkeypatch):
    monkeypatch.setenv("DREAMSMK_HOME", "/elsewhere")
    settings = load_settings({"home": "here", "cache": "calls.db"})
    assert (settings.home, settings.cache) == ("here", "calls.db")
    assert load_settings({}).home is None


def test_an_unknown_alias_is_an_error_with_the_nearest_one():
    settings = load_settings({"models": {"teacher": TEACHER}})
    assert settings.model("teacher").model == "gpt-4o"
    with pytest.raises(SettingsError) as caught:
        settings.model("techer", where="params.model in rule tweets")
    assert str(caught.value) == lines(
        "there is no model 'techer' under models:", "at: params.model in rule tweets", "hint: did you mean 'teacher'?"
    )
