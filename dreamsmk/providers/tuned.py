"""A model that a service trained: a small file says its name, and model specs may name it by that file.

Contract: a model id of the provider `openai` that ends with `.json` is such a file, and nothing else is: no id of a
service ends so. The model is told by the file's content, so that moving the file changes nothing and training anew
changes everything.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from dreamsmk.errors import SettingsError
from dreamsmk.settings import ModelSpec

SUFFIX = ".json"
NAME = "model"


def tuned_path(spec: ModelSpec) -> Path | None:
    """Returns the file that a spec names its model by; None where it gives the name itself."""
    is_file = spec.provider == "openai" and spec.model.endswith(SUFFIX)
    return Path(spec.model) if is_file else None


def with_tuned_name(spec: ModelSpec) -> ModelSpec:
    """Returns a spec that names its model as the service does.

    Raises:
        SettingsError: The file is not there, or names no model.
    """
    path = tuned_path(spec)
    if path is None:
        return spec
    hint = "it is what the rule openai_fine_tune makes; the name of a model of the service does not end with .json"
    try:
        content = json.loads(path.expanduser().read_bytes())
    except (OSError, ValueError) as exc:
        raise SettingsError("the file of a fine-tuned model cannot be read", where=str(path), hint=hint) from exc
    name = content.get(NAME) if isinstance(content, Mapping) else None
    if not isinstance(name, str) or not name:
        raise SettingsError("the file of a fine-tuned model names none", where=str(path), hint=hint)
    return dataclasses.replace(spec, model=name)
