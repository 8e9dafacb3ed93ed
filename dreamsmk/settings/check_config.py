"""A workflow's whole config against the workflow's own schema and ours.

Contract: whatever key neither schema names is an error, at any depth, with the nearest name. The config is only read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.settings.loading import SETTING_NAMES, load_settings
from dreamsmk.settings.place import Place
from dreamsmk.settings.plain import plain_json
from dreamsmk.settings.validation import check_schema, check_value


# Any: a Snakemake config holds whatever YAML can.
def check_config(
    config: Mapping[str, Any] | None,
    schema_path: str | os.PathLike[str],
    *,
    where: str = "config",
    base: Path | None = None,
) -> None:
    """Raises `SettingsError` unless a config follows the workflow's schema and ours.

    Args:
        config: The whole Snakemake config; None is an empty one.
        schema_path: The workflow's JSON Schema (draft 2020-12), as JSON or YAML. It need not name `models`, `cache`
            and `home`; what it says of them counts beside what we say.
        where: What messages call the config.
        base: Where a relative path starts; if absent, the folder of the Snakefile or script that calls, as with
            Snakemake's own `validate`, and then the working folder.
    """
    path = _found(Path(schema_path), base or _folder_of_caller())
    load_settings(config, where=where)
    schema = _read_schema(path)
    check_schema(schema, str(path))
    ours = dict.fromkeys(SETTING_NAMES, True)
    merged = {**schema, "properties": {**ours, **schema.get("properties", {})}}
    check_value(merged, plain_json(config or {}, Place(where)), Place(where), noun="key")


def _folder_of_caller() -> Path:
    """Returns the folder of the nearest calling file outside dreamsmk; it need not be the working folder."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "dreamsmk":
        frame = frame.f_back
    return Path(frame.f_code.co_filename).parent


def _found(path: Path, base: Path) -> Path:
    for candidate in (base / path, path):
        if candidate.is_file():
            return candidate
    raise SettingsError(f"there is no schema {str(path)!r}", hint=f"a relative path starts at {base}")


# Any: JSON Schema.
def _read_schema(path: Path) -> dict[str, Any]:
    import yaml

    text = path.read_text(encoding="utf-8")
    try:
        schema = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as exc:
        raise SettingsError("the schema cannot be read: " + " ".join(str(exc).split()), where=str(path)) from exc
    if not isinstance(schema, dict):
        raise SettingsError("expected a JSON Schema, a mapping", where=str(path))
    # The schema may hold dates as defaults or examples, which YAML reads as such.
    plain: dict[str, Any] = plain_json(schema, Place(str(path)))
    return plain
