"""The check of a workflow's whole config, reported as Snakemake reports its own errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamsmk.errors import DreamsmkError
from dreamsmk.settings import check_config
from dreamsmk.smk.refusal import refusal


# Any: YAML.
def check_workflow_config(config: Mapping[str, Any], schema: Path) -> None:
    """Raises `WorkflowError` for the first wrong key or value of a config."""
    try:
        check_config(config, schema)
    except DreamsmkError as exc:
        raise refusal(exc) from exc
