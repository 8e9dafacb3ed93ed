"""From a whole Snakemake config to `Settings`.

Contract: users keep keys of their own beside ours, so that an unknown top-level key is an error only where it is
clearly one of ours misspelt. Inside `models:` every unknown key is. API keys in the config are refused and not shown.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.settings.config import Settings
from dreamsmk.settings.model_spec import ModelSpec
from dreamsmk.settings.place import Place, is_secret
from dreamsmk.settings.plain import plain_json
from dreamsmk.settings.schema import shared_schema
from dreamsmk.settings.validation import check_value

SETTING_NAMES = tuple(declared.name for declared in dataclasses.fields(Settings))
_NEAR_MISS = 0.75


# Any: a Snakemake config holds whatever YAML can.
def load_settings(config: Mapping[str, Any] | None, *, where: str = "config") -> Settings:
    """Returns the settings of a config.

    Args:
        config: The whole Snakemake config; None is an empty one.
        where: What messages call the config.

    Raises:
        SettingsError: A setting is unknown, of the wrong type or out of its bounds, or is a secret.
    """
    if config is not None and not isinstance(config, Mapping):
        raise SettingsError(f"expected a mapping, got a {type(config).__name__}", where=where)
    config = config or {}
    place = Place(where)
    given = {name: config[name] for name in SETTING_NAMES if config.get(name) is not None}
    _refuse_secrets(config, place)
    _refuse_near_misses(config, given, place)
    values = {name: _from_command_line(name, value) for name, value in plain_json(given, place).items()}
    if isinstance(values.get("models"), dict):
        values["models"] = _present_models(values["models"])
    check_value(shared_schema(), values, place, noun="setting")
    models = {alias: _model_spec(spec) for alias, spec in values.pop("models", {}).items()}
    return Settings(models=models, **values)


# Any: a Snakemake config.
def _refuse_near_misses(config: Mapping[str, Any], given: Mapping[str, Any], place: Place) -> None:
    for key in config:
        if not isinstance(key, str) or key in SETTING_NAMES:
            continue
        for name in SETTING_NAMES:
            is_near = difflib.SequenceMatcher(None, key.lower(), name).ratio() >= _NEAR_MISS
            if is_near and name not in given and _is_of_its_shape(name, config[key]):
                hint = f"did you mean {name!r}? If the key is your own, give it another name"
                raise SettingsError(f"there is no setting {key!r}", where=str(place.at(key)), hint=hint)


def _is_of_its_shape(name: str, value: object) -> bool:
    """Says whether a value could be meant for a setting: `mode: fast` is no misspelt `models:`."""
    if name == "models":
        return isinstance(value, Mapping) and any(isinstance(inner, Mapping) for inner in value.values())
    return isinstance(value, str)


# Any: a Snakemake config.
def _refuse_secrets(config: Mapping[str, Any], place: Place) -> None:
    for key, value in config.items():
        if isinstance(key, str) and is_secret(key) and key.lower().replace("-", "_").endswith("key"):
            _refuse_secret(value, place.at(key))
    _refuse_secrets_inside(config.get("models"), place.at("models"), is_alias=True)


def _refuse_secrets_inside(value: object, place: Place, *, is_alias: bool = False) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str) and is_secret(key) and not (is_alias and isinstance(inner, Mapping)):
                _refuse_secret(inner, place.at(key))
            _refuse_secrets_inside(inner, place.at(str(key)))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _refuse_secrets_inside(inner, place.at(index))


def _refuse_secret(value: object, place: Place) -> None:
    if value is not None:
        hint = "put it into the environment, and name the variable with api_key_env; then replace the key"
        raise SettingsError("the config holds a secret", where=str(place), hint=hint)


# Any: JSON.
def _from_command_line(name: str, value: Any) -> Any:
    """Returns a setting as it was meant: Snakemake hands `--config offline=true` over as a text."""
    is_switch = "boolean" in shared_schema()["properties"][name]["type"]
    return value == "true" if is_switch and value in ("true", "false") else value


# Any: JSON.
def _present_models(models: dict[str, Any]) -> dict[str, Any]:
    """Returns the models without what is null: a null setting is an absent one."""
    return {
        alias: {name: value for name, value in spec.items() if value is not None} if isinstance(spec, dict) else spec
        for alias, spec in models.items()
        if spec is not None
    }


# Any: JSON.
def _model_spec(spec: dict[str, Any]) -> ModelSpec:
    properties = shared_schema()["$defs"]["ModelSpec"]["properties"]
    return ModelSpec(**{name: _typed(value, properties[name]["type"]) for name, value in spec.items()})


# Any: JSON in, the value of a field out.
def _typed(value: Any, kind: str | list[str]) -> Any:
    # JSON has one kind of number: 1 is a fine temperature, 100.0 a fine max_tokens.
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, int) and "number" in kind:
        return float(value)
    if isinstance(value, float) and "integer" in kind:
        return int(value)
    return value
