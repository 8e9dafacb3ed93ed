"""The typed config."""

from dreamsmk.settings.check_config import check_config
from dreamsmk.settings.config import Settings
from dreamsmk.settings.fields import Group
from dreamsmk.settings.loading import load_settings
from dreamsmk.settings.model_spec import ModelSpec, spec_fields
from dreamsmk.settings.params import (
    column_references,
    function_references,
    identity_params,
    model_aliases,
    validate_params,
)
from dreamsmk.settings.schema import settings_schema

__all__ = [
    "Group",
    "ModelSpec",
    "Settings",
    "check_config",
    "column_references",
    "function_references",
    "identity_params",
    "load_settings",
    "model_aliases",
    "settings_schema",
    "spec_fields",
    "validate_params",
]
